package web

import "github.com/cratefence/cratefence/internal/checks/provenance"

// kindWords say in words how a file relates to the commit, the gravest first.
var kindWords = []kindCount{
	{Kind: string(provenance.Collides), Words: "made to have the id of other content", Differs: true},
	{Kind: string(provenance.Modified), Words: "not the same", Differs: true},
	{Kind: string(provenance.Unknown), Words: "not in the commit at their place", Differs: true},
	{Kind: string(provenance.Declared), Words: "generated when packaging, as the author declares in the repository", Differs: true},
	{Kind: string(provenance.Uncompared), Words: "in a submodule that was not read", Differs: true},
	{Kind: string(provenance.Edited), Words: "a manifest in other words, compared by its meaning"},
	{Kind: string(provenance.Exact), Words: "the same"},
	{Kind: string(provenance.OtherMode), Words: "the same, but executable in one of the two"},
	{Kind: string(provenance.Linked), Words: "the same, by way of a symbolic link"},
	{Kind: string(provenance.LinkText), Words: "the text of a symbolic link, as packaging on Windows leaves it"},
	{Kind: string(provenance.Copied), Words: "the same, copied by cargo from outside the package"},
	{Kind: string(provenance.Submodule), Words: "the same, in a submodule"},
	{Kind: string(provenance.LineEnds), Words: "the same but for line ends"},
	{Kind: string(provenance.Ident), Words: "the same but for what git writes into $Id$"},
	{Kind: string(provenance.Transcoded), Words: "the same text in another encoding, which the repository names"},
	{Kind: string(provenance.Stored), Words: "what a pointer to large file storage stands for"},
	{Kind: string(provenance.Generated), Words: "made by cargo"},
}

// gradeWords say how the commit belongs to its repository.
var gradeWords = map[provenance.Grade]string{
	provenance.GradeVersionTag:    "this version's tag",
	provenance.GradeDefaultBranch: "the default branch",
	provenance.GradeBranch:        "a branch that is not the default one",
	provenance.GradeTag:           "a tag that is not of this version",
	provenance.GradePull:          "a proposed change alone, which the owner has not taken in",
	provenance.GradeUnknown:       "nothing that was found, but not all could be read",
	provenance.GradeUnreachable:   "no branch or tag",
	provenance.GradeAbsent:        "nothing: the repository does not have it",
}

// originWords say who names the commit.
var originWords = map[provenance.Origin]string{
	provenance.OriginAttested: "the registry, which had it from the publisher's build service",
	provenance.OriginRecorded: "the crate, where cargo records it",
	provenance.OriginTag:      "nobody: it was found by a tag named for the version",
	provenance.OriginHistory:  "nobody: the default branch had this version then",
}

// reasonWords say why files of the commit are not in the crate, in this order.
var reasonWords = []struct {
	reason provenance.Reason
	words  string
}{
	{provenance.Excluded, "that the manifest excludes"},
	{provenance.NotIncluded, "that the manifest does not include"},
	{provenance.NestedPackage, "of another package below"},
	{provenance.BuildOutput, "in target"},
	{provenance.Link, "that are links to nothing that cargo packages"},
}

var classWords = map[string]string{"build": "can change a build", "dev": "for development alone", "metadata": "describes the crate"}

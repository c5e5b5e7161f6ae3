package checks

const provenanceDoc = `The files are those of the repository

Whoever reviews a crate reads its repository; whoever uses it gets what was published. Nothing but custom
makes the two the same. This check compares them, and explains every difference.

**Looked at:** the repository that the manifest names, at the commit that cargo recorded in
` + "`.cargo_vcs_info.json`" + `. Of the commit only the lists of its files are fetched, and compared with the crate's
files by git object id, which is computed here, with detection of SHA-1 collision attacks. Nothing is executed
or checked out. Symbolic links, submodules, readme and licence files copied from outside the package, line ends of
other systems, ` + "`$Id$`" + ` keywords, encodings and large files that ` + "`.gitattributes`" + ` name are accounted for, as git does it and no
further. The published manifest, which cargo generates, must be what cargo makes of the author's manifest and of the workspace that it
inherits from. And a branch or tag of the repository must lead to the commit, and one of each submodule's repository to
what the submodule is pinned to: hosts also answer with commits that only somebody's fork holds.

- **success**: every file and every setting is accounted for, and a branch or tag leads to the commit.
- **neutral**: the same, but for differences in what a dependent is not seen to build or run (documentation, tests, the
  project's tooling, a version raised or words changed when publishing), or that the author declares; for line ends of
  data that no attribute calls text; or where a package of the same name stands where a reader would look first.
- **failure**: a file that can be built or run is not what the commit holds or is not in it at all; the published
  manifest has what its origin does not account for; or the commit holds another package.
- **inconclusive**: no repository or commit is recorded, or it or a submodule cannot be fetched; or all matches, at a
  commit that no branch or tag leads to. The report says what would settle it. Where a commit may only not have been
  pushed yet, or a host may be down, it is tried again.

**Built or run** is, in doubt, every file. Documents, tests, examples and the project's tooling are not, unless a source
file takes them in (` + "`include!`, `include_str!`, `#[path]`, `#include`" + ` and the like; not into documentation), or a build script names them;
beside a build script, what CMake, make, a shell or a C compiler may be given is built wherever it stands.

**Generated files** that an author has to publish, and does not commit, can be declared in Cargo.toml. What it
declares is neutral, and counted in the metric ` + "`unverified_build_files`" + ` where it can be built or run:

` + "```toml" + `
[package.metadata.provenance]
generated = ["pregenerated/**"] # as in .gitignore; never the manifest, a build script, a crate root or all of src
` + "```" + `

A declaration that the version before did not have is told apart: it is worth a look.

**Cargo.lock** is read by ` + "`cargo install --locked`" + ` alone. Entries that the repository's does not have were chosen when
publishing; a checksum that the registry's index or the repository contradicts is a warning. The metrics ` + "`lock_entries_unmatched`" + `
and ` + "`lock_entries_asked`" + ` say how many entries the repository does not vouch for, and for how many the index was read.

**Not seen:** whether the code in the repository is any good. A note that the crate was packaged with uncommitted
changes is recorded as a fact and excuses nothing; that there is none proves nothing.

**Facts:** ` + "`repository`" + ` as it answered and ` + "`declared`" + ` as the manifest spells it, ` + "`commit`, `committed_at`" + `, ` + "`reach`" + ` (its
` + "`grade`, `refs` and `default_branch`" + `), ` + "`dirty`" + `, ` + "`path`" + ` of the package and ` + "`path_guessed`" + ` (found by its manifest),
` + "`files`" + ` (how many there are of each kind: exact, other-mode, linked, link-text, copied, submodule, line-ends, ident,
transcoded, stored, generated, edited, declared, modified, unknown, collides, uncompared), ` + "`differing`" + ` (each with its
` + "`diff`" + `), ` + "`submodules`, `missing` and `missing_explained`" + ` (files of the repository that the crate lacks), ` + "`original_manifest`" + ` (how
Cargo.toml.orig relates to the repository's Cargo.toml), ` + "`workspace`" + ` (the folder settings are inherited from),
` + "`manifest_differences`, `settings`, `manifest_notes`, `lock`" + ` and, if inconclusive, ` + "`reason`" + `.
`

package policy

import (
	"strings"
	"time"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// A Variable is something that the expression of a rule may ask.
type Variable struct {
	Name    string `json:"name"` // as in "release.age"
	Type    string `json:"type"` // as CEL writes it
	Doc     string `json:"doc"`
	Example string `json:"example"` // an expression that asks it
}

// Variables lists what the expressions of rules may ask.
func Variables() []Variable {
	list := make([]Variable, 0, len(fields)+len(variables))
	for _, f := range fields {
		list = append(list, f.variable())
	}
	for _, v := range variables {
		if v.get != nil {
			list = append(list, Variable{Name: v.name, Type: typeName(v.typ), Doc: v.doc, Example: v.example})
		}
	}
	return list
}

// typeName writes a type as CEL's functions that make one are called.
func typeName(t *types.Type) string {
	return strings.NewReplacer("google.protobuf.Duration", "duration", "google.protobuf.Timestamp", "timestamp").Replace(t.String())
}

// The types of objects that expressions meet.
var (
	releaseType      = types.NewObjectType("release")
	dependenciesType = types.NewObjectType("dependencies")
	dependencyType   = types.NewObjectType("dependency")
	checkType        = types.NewObjectType("check")
	publisherType    = types.NewObjectType("publisher")
	changesType      = types.NewObjectType("changes")
	advisoriesType   = types.NewObjectType("advisories")
)

// A variable is a name that stands by itself. Those without get are objects,
// whose fields are documented instead.
type variable struct {
	name    string
	typ     *types.Type
	doc     string
	example string
	get     func(*facts) ref.Val
	clock   bool
}

var variables = []variable{
	{name: "release", typ: releaseType},
	{name: "dependencies", typ: dependenciesType},
	{name: "publisher", typ: publisherType},
	{name: "changes", typ: changesType},
	{name: "advisories", typ: advisoriesType},
	{name: "checks", typ: types.NewMapType(types.StringType, checkType)},
	{
		name: "silence", typ: types.DurationType, get: func(f *facts) ref.Val { return types.Duration{Duration: f.ev.Silence} },
		doc:     "How long the crate had published nothing before; 0 for a first version, or where a date is missing.",
		example: `silence > days(365)`,
	},
	{
		name: "yanks_around", typ: types.IntType, get: func(f *facts) ref.Val { return types.Int(f.ev.YanksAround) },
		doc:     "How many versions of the crate were yanked within a day of the publication.",
		example: `yanks_around >= 1`,
	},
	{
		name: "now", typ: types.TimestampType, clock: true, get: func(f *facts) ref.Val { return types.Timestamp{Time: f.hour} },
		doc:     "The full hour before the present.",
		example: `now.getDayOfWeek("UTC") == 5`,
	},
}

// A field is part of an object. get returns nil for what is not known; asking
// for that is an error, and a rule that errs holds.
type field struct {
	owner   *types.Type
	path    string // of the object, as in "dependencies.added[]."
	name    string
	typ     *types.Type
	doc     string
	example string
	get     func(*thing) ref.Val
	clock   bool // changes with time alone
}

func (f *field) variable() Variable {
	return Variable{Name: f.path + f.name, Type: typeName(f.typ), Doc: f.doc, Example: f.example}
}

const (
	ofDependency = "dependencies.added[]."
	ofCheck      = "checks[NAME]."
)

var fields = []*field{
	{
		owner: releaseType, path: "release.", name: "name", typ: types.StringType,
		doc: "The crate.", example: `release.name.startsWith("myorg-")`,
		get: func(t *thing) ref.Val { return types.String(t.ev.Name) },
	}, {
		owner: releaseType, path: "release.", name: "version", typ: types.StringType,
		doc: "The version.", example: `release.version.contains("-")`,
		get: func(t *thing) ref.Val { return types.String(t.ev.Version) },
	}, {
		owner: releaseType, path: "release.", name: "previous", typ: types.StringType,
		doc: `The version that was the newest before; "" for none.`, example: `release.previous == ""`,
		get: func(t *thing) ref.Val { return types.String(t.ev.Previous) },
	}, {
		owner: releaseType, path: "release.", name: "kind", typ: types.StringType,
		doc: `"update", "first-version" or "new-major".`, example: `release.kind == "first-version"`,
		get: func(t *thing) ref.Val { return types.String(t.ev.Kind) },
	}, {
		owner: releaseType, path: "release.", name: "age", typ: types.DurationType, clock: true,
		doc: "How long its cool-off has been counting, at the last full hour.", example: `release.age < days(3)`,
		get: func(t *thing) ref.Val { return t.since(t.start) },
	}, {
		owner: releaseType, path: "release.", name: "published_at", typ: types.TimestampType,
		doc: "When the registry says it was published; absent where it does not say.", example: `has(release.published_at)`,
		get: func(t *thing) ref.Val { return timestamp(t.ev.PublishedAt) },
	}, {
		owner: releaseType, path: "release.", name: "first_seen_at", typ: types.TimestampType,
		doc: "When this fence first saw its checksum.", example: `release.first_seen_at > timestamp("2026-01-01T00:00:00Z")`,
		get: func(t *thing) ref.Val { return timestamp(t.ev.FirstSeenAt) },
	}, {
		owner: releaseType, path: "release.", name: "before_baseline", typ: types.BoolType,
		doc: "It was published before the policy's baseline.", example: `!release.before_baseline`,
		get: func(t *thing) ref.Val { return types.Bool(t.old) },
	}, {
		owner: dependenciesType, path: "dependencies.", name: "added", typ: types.NewListType(dependencyType),
		doc: "What it depends on, normally or to build, and the version before did not.", example: `dependencies.added.size() > 3`,
		get: func(t *thing) ref.Val { return t.dependencyList() },
	}, {
		owner: dependenciesType, path: "dependencies.", name: "first", typ: types.BoolType,
		doc: "The crate had no dependencies before.", example: `dependencies.first`,
		get: func(t *thing) ref.Val { return types.Bool(t.ev.FirstDependencies) },
	}, {
		owner: dependencyType, path: ofDependency, name: "name", typ: types.StringType,
		doc: "The crate depended on.", example: `dependencies.added.exists(d, d.name == "openssl-sys")`,
		get: func(t *thing) ref.Val { return types.String(t.dependency.Name) },
	}, {
		owner: dependencyType, path: ofDependency, name: "kind", typ: types.StringType,
		doc: `"normal" or "build".`, example: `dependencies.added.exists(d, d.kind == "build")`,
		get: func(t *thing) ref.Val { return types.String(t.dependency.Kind) },
	}, {
		owner: dependencyType, path: ofDependency, name: "known", typ: types.BoolType,
		doc: "The crate is in the index.", example: `!dependencies.added.all(d, d.known)`,
		get: func(t *thing) ref.Val { return types.Bool(t.dependency.Known) },
	}, {
		owner: dependencyType, path: ofDependency, name: "age", typ: types.DurationType, clock: true,
		doc: "How long ago its first version was published, at the last full hour; 0 where that is not known.", example: `dependencies.added.exists(d, d.age < days(90))`,
		get: func(t *thing) ref.Val { return t.since(t.dependency.FirstPublished) },
	}, {
		owner: checkType, path: ofCheck, name: "conclusion", typ: types.StringType,
		doc: `"success", "failure", "neutral", "skipped", "inconclusive" or "error". A check that has not answered is not in checks.`, example: `"archive" in checks && checks["archive"].conclusion == "inconclusive"`,
		get: func(t *thing) ref.Val { return types.String(t.check.Conclusion) },
	}, {
		owner: checkType, path: ofCheck, name: "version", typ: types.IntType,
		doc: "The version of the check that answered.", example: `checks["provenance"].version < 2`,
		get: func(t *thing) ref.Val { return types.Int(t.check.Version) },
	}, {
		owner: checkType, path: ofCheck, name: "metrics", typ: types.NewMapType(types.StringType, types.DoubleType),
		doc: "What the check measured, by name.", example: `checks["provenance"].metrics["unverified_build_files"] > 0.0`,
		get: func(t *thing) ref.Val { return metricsOf(t.check) },
	}, {
		owner: publisherType, path: "publisher.", name: "name", typ: types.StringType,
		doc: `Who published it; "" where that is not known, and then nothing else of the publisher is.`, example: `publisher.name == ""`,
		get: func(t *thing) ref.Val { return types.String(t.ev.Publisher.Name) },
	}, {
		owner: publisherType, path: "publisher.", name: "since", typ: types.TimestampType,
		doc: "When they first published this crate; absent where that is not known.", example: `!has(publisher.since)`,
		get: func(t *thing) ref.Val { return timestamp(t.ev.Publisher.Since) },
	}, {
		owner: publisherType, path: "publisher.", name: "releases", typ: types.IntType,
		doc: "How many releases of this crate they published before.", example: `publisher.releases < 5`,
		get: func(t *thing) ref.Val { return types.Int(t.ev.Publisher.Releases) },
	}, {
		owner: publisherType, path: "publisher.", name: "incidents", typ: types.IntType,
		doc: "How many incidents their releases had.", example: `publisher.incidents > 0`,
		get: func(t *thing) ref.Val { return types.Int(t.ev.Publisher.Incidents) },
	}, {
		owner: publisherType, path: "publisher.", name: "trusted_publishing", typ: types.BoolType,
		doc: "It was published by the project's own automation.", example: `!publisher.trusted_publishing`,
		get: func(t *thing) ref.Val { return types.Bool(t.ev.Publisher.Trusted) },
	}, {
		owner: publisherType, path: "publisher.", name: "two_factor", typ: types.BoolType,
		doc: "The account has a second factor; absent where the registry does not tell.", example: `has(publisher.two_factor) && !publisher.two_factor`,
		get: func(t *thing) ref.Val { return maybe(t.ev.Publisher.TwoFactor) },
	}, {
		owner: changesType, path: "changes.", name: "known", typ: types.BoolType,
		doc: "This version and the one before were both read, so that the other changes are known.", example: `!changes.known`,
		get: func(t *thing) ref.Val { return types.Bool(t.ev.Compared) },
	}, {
		owner: changesType, path: "changes.", name: "lost_vcs", typ: types.BoolType,
		doc: Signals[signalVCS].Doc, example: `changes.lost_vcs`,
		get: func(t *thing) ref.Val { return types.Bool(t.ev.LostVCS) },
	}, {
		owner: changesType, path: "changes.", name: "lost_trusted_publishing", typ: types.BoolType,
		doc: Signals[signalTrust].Doc, example: `changes.lost_trusted_publishing`,
		get: func(t *thing) ref.Val { return types.Bool(t.ev.LostTrust) },
	}, {
		owner: changesType, path: "changes.", name: "new_build_script", typ: types.BoolType,
		doc: Signals[signalBuild].Doc, example: `changes.new_build_script && dependencies.added.size() > 0`,
		get: func(t *thing) ref.Val { return types.Bool(t.ev.NewBuildScript) },
	}, {
		owner: advisoriesType, path: "advisories.", name: "affected", typ: types.NewListType(types.StringType),
		doc: "The advisories that name this version.", example: `advisories.affected.size() > 0`,
		get: func(t *thing) ref.Val { return types.NewStringList(adapter, t.ev.Affected) },
	}, {
		owner: advisoriesType, path: "advisories.", name: "fixes", typ: types.NewListType(types.StringType),
		doc: "The advisories, of reviewed sources, that this version fixes and an allowed one has.", example: `advisories.fixes.size() > 0`,
		get: func(t *thing) ref.Val { return types.NewStringList(adapter, t.ev.Fixes) },
	},
}

// fieldOf finds a field by the name of its object's type and its own.
func fieldOf(owner, name string) *field {
	for _, f := range fields {
		if f.owner.TypeName() == owner && f.name == name {
			return f
		}
	}
	return nil
}

// timestamp is nil for an unknown time.
func timestamp(t time.Time) ref.Val {
	if t.IsZero() {
		return nil
	}
	return types.Timestamp{Time: t}
}

func maybe(b *bool) ref.Val {
	if b == nil {
		return nil
	}
	return types.Bool(*b)
}

func metricsOf(r *CheckResult) ref.Val { return types.NewDynamicMap(adapter, r.Metrics) }

// fieldNames lists what a type of object has, for errors.
func fieldNames(owner string) []string {
	var names []string
	for _, f := range fields {
		if f.owner.TypeName() == owner {
			names = append(names, f.name)
		}
	}
	return names
}

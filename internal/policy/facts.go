package policy

import (
	"errors"
	"fmt"
	"reflect"
	"sync"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// facts is the evidence of one decision as expressions see it. It is used again
// for the next.
type facts struct {
	ev    Evidence
	start time.Time
	hour  time.Time // the full hour before the present: ages are told then
	old   bool

	release, dependencies, publisher, changes, advisories thing
	added                                                 []thing
	addedVals                                             []ref.Val
	answered                                              []thing // checks
	checks                                                checkMap
}

var factsPool = sync.Pool{New: func() any {
	f := &facts{}
	f.release = thing{facts: f, typ: releaseType}
	f.dependencies = thing{facts: f, typ: dependenciesType}
	f.publisher = thing{facts: f, typ: publisherType}
	f.changes = thing{facts: f, typ: changesType}
	f.advisories = thing{facts: f, typ: advisoriesType}
	f.checks.facts = f
	return f
}}

func newFacts(j *judge) *facts {
	f := factsPool.Get().(*facts)
	f.ev, f.start, f.old = *j.ev, j.start, j.old
	// An age that is told by the hour is never more than it is, and changes at
	// times that are known beforehand.
	f.hour = j.clock.Truncate(time.Hour)
	for i := range f.ev.Checks {
		if r := &f.ev.Checks[i]; r.Conclusion != "" {
			f.answered = append(f.answered, thing{facts: f, typ: checkType, check: r})
		}
	}
	return f
}

// free gives the facts back. Nothing of an evaluation outlives it.
func (f *facts) free() {
	f.ev = Evidence{}
	clear(f.added)
	clear(f.addedVals)
	clear(f.answered)
	f.added, f.addedVals, f.answered = f.added[:0], f.addedVals[:0], f.answered[:0]
	factsPool.Put(f)
}

// ResolveName answers for the variables of an expression.
func (f *facts) ResolveName(name string) (any, bool) {
	switch name {
	case "release":
		return &f.release, true
	case "dependencies":
		return &f.dependencies, true
	case "publisher":
		return &f.publisher, true
	case "changes":
		return &f.changes, true
	case "advisories":
		return &f.advisories, true
	case "checks":
		return &f.checks, true
	}
	for i := range variables {
		if v := &variables[i]; v.name == name {
			return v.get(f), true
		}
	}
	return nil, false
}

// Parent is nil: there is nothing behind the facts.
func (f *facts) Parent() cel.Activation { return nil }

// dependencyList is made once a decision, when an expression asks for it.
func (f *facts) dependencyList() ref.Val {
	if len(f.added) != len(f.ev.Dependencies) {
		for i := range f.ev.Dependencies {
			f.added = append(f.added, thing{facts: f, typ: dependencyType, dependency: &f.ev.Dependencies[i]})
		}
		for i := range f.added {
			f.addedVals = append(f.addedVals, &f.added[i])
		}
	}
	return types.NewRefValList(adapter, f.addedVals)
}

// since is how long ago something was; 0 where that is not known.
func (f *facts) since(t time.Time) ref.Val {
	if t.IsZero() {
		return types.Duration{}
	}
	return types.Duration{Duration: max(0, f.hour.Sub(t))}
}

// A thing is an object that expressions meet: evidence, or a part of it.
type thing struct {
	*facts
	typ        *types.Type
	dependency *NewDependency
	check      *CheckResult
}

var errNotPlain = errors.New("an object is not a plain value")

// ConvertToNative refuses: expressions answer with a bool.
func (t *thing) ConvertToNative(reflect.Type) (any, error) { return nil, errNotPlain }

// ConvertToType knows the type of the thing alone.
func (t *thing) ConvertToType(to ref.Type) ref.Val {
	if to == types.TypeType {
		return t.typ
	}
	return types.WrapErr(errNotPlain)
}

// Equal compares identity.
func (t *thing) Equal(other ref.Val) ref.Val { return types.Bool(ref.Val(t) == other) }

// Type is the object's.
func (t *thing) Type() ref.Type { return t.typ }

// Value is the thing itself, which is what the getters of fields take.
func (t *thing) Value() any { return t }

// checkMap is the checks that have answered, by name.
type checkMap struct{ *facts }

// ConvertToNative refuses, as that of a thing does.
func (m *checkMap) ConvertToNative(reflect.Type) (any, error) { return nil, errNotPlain }

// ConvertToType knows the type alone.
func (m *checkMap) ConvertToType(to ref.Type) ref.Val {
	if to == types.TypeType {
		return types.MapType
	}
	return types.WrapErr(errNotPlain)
}

// Equal compares identity.
func (m *checkMap) Equal(other ref.Val) ref.Val { return types.Bool(ref.Val(m) == other) }

// Type is that of a map.
func (m *checkMap) Type() ref.Type { return types.MapType }

// Value is the map itself.
func (m *checkMap) Value() any { return m }

// Size is how many checks have answered.
func (m *checkMap) Size() ref.Val { return types.Int(len(m.answered)) }

// Contains reports whether a check has answered.
func (m *checkMap) Contains(key ref.Val) ref.Val {
	_, found := m.Find(key)
	return types.Bool(found)
}

// Get returns a check, or an error.
func (m *checkMap) Get(key ref.Val) ref.Val {
	if v, found := m.Find(key); found {
		return v
	}
	return types.NewErr("no answer of check %v", key)
}

// Find returns a check that has answered.
func (m *checkMap) Find(key ref.Val) (ref.Val, bool) {
	name, ok := key.(types.String)
	if !ok {
		return nil, false
	}
	for i := range m.answered {
		if m.answered[i].check.Check == string(name) {
			return &m.answered[i], true
		}
	}
	return nil, false
}

// Iterator goes over the names.
func (m *checkMap) Iterator() traits.Iterator {
	names := make([]string, len(m.answered))
	for i := range m.answered {
		names[i] = m.answered[i].check.Check
	}
	return types.NewStringList(adapter, names).Iterator()
}

// adapter turns Go's values into CEL's.
var adapter = types.DefaultTypeAdapter

// provider tells the fields of objects, beside what CEL knows itself.
type provider struct{ types.Provider }

func (p provider) FindStructType(name string) (*types.Type, bool) {
	for _, f := range fields {
		if f.owner.TypeName() == name {
			return types.NewTypeTypeWithParam(f.owner), true
		}
	}
	return nil, false
}

func (p provider) FindStructFieldNames(name string) ([]string, bool) {
	names := fieldNames(name)
	return names, len(names) > 0
}

func (p provider) FindStructFieldType(owner, name string) (*types.FieldType, bool) {
	f := fieldOf(owner, name)
	if f == nil {
		return nil, false
	}
	return &types.FieldType{
		Type:  f.typ,
		IsSet: func(target any) bool { return f.get(target.(*thing)) != nil },
		GetFrom: func(target any) (any, error) {
			v := f.get(target.(*thing))
			if v == nil {
				return nil, fmt.Errorf("%s%s is not known", f.path, f.name)
			}
			return v, nil
		},
	}, true
}

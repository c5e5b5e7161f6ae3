package policy

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/cost"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/interpreter"
)

// Bounds on expressions. Costs are CEL's own: about one for each step.
const (
	maxExpression = 2000 // bytes
	// maxEstimate is what an expression may cost at worst, by what is said of the
	// sizes of evidence in worstSizes.
	maxEstimate = 1_000_000
	// maxCost is what an evaluation may cost, some milliseconds.
	maxCost = 100_000
)

// A Rule is one of the organisation's own: an expression, and what follows where
// it is true.
type Rule struct {
	Name    string
	When    string // CEL
	Verdict Verdict
	Text    string // a clause

	rule    string // the rule of its reasons
	program cel.Program
	reads   reads
}

// reads is what an expression looks at.
type reads struct {
	clock  bool // something that changes with time alone
	checks bool
}

// compile makes the rule's program.
func (r *Rule) compile() error {
	env, err := celEnv()
	if err != nil {
		return err
	}
	tree, issues := env.Compile(r.When)
	if err := issues.Err(); err != nil {
		return errors.New(explainIssue(issues.Errors()[0].Message))
	}
	if tree.OutputType() != cel.BoolType {
		return fmt.Errorf("want an expression that is true or false, not %s", tree.OutputType())
	}
	estimate, err := env.EstimateCost(tree, worstSizes{})
	if err != nil {
		return fmt.Errorf("estimate cost: %w", err)
	}
	if estimate.Max > maxEstimate {
		return fmt.Errorf("it may take %d steps, over the limit of %d", estimate.Max, maxEstimate)
	}
	r.reads = readsOf(tree.NativeRep())
	r.rule = "rule/" + r.Name
	r.program, err = env.Program(tree, cel.CostLimit(maxCost), cel.EvalOptions(cel.OptOptimize))
	return err
}

var (
	// errAbsent: the expression asks for what is not there.
	errAbsent = errors.New("it asks for evidence that is not there")
	// errCostly: evaluating took too long.
	errCostly = errors.New("it takes too long")
)

// eval reports whether the rule applies. On an error that cannot be told.
func (r *Rule) eval(f *facts) (bool, error) {
	out, _, err := r.program.Eval(f)
	var cancelled interpreter.EvalCancelledError
	switch {
	case errors.As(err, &cancelled):
		return false, errCostly
	case err != nil:
		return false, errAbsent
	}
	return bool(out.(types.Bool)), nil // as its type was checked to be
}

// celEnv is what expressions are compiled against.
var celEnv = sync.OnceValues(func() (*cel.Env, error) {
	options := []cel.EnvOption{
		cel.ParserExpressionSizeLimit(maxExpression),
		cel.ParserRecursionLimit(50),
		cel.ExpressionNodeLimit(5000),
		cel.RegexProgramSizeLimit(1000),
		cel.DefaultUTCTimeZone(true),
		cel.CrossTypeNumericComparisons(true),
		cel.ASTValidators(cel.ValidateRegexLiterals(), cel.ValidateDurationLiterals(), cel.ValidateTimestampLiterals()),
		cel.Function("days", cel.Overload("days_int", []*cel.Type{cel.IntType}, cel.DurationType, cel.UnaryBinding(days))),
		func(e *cel.Env) (*cel.Env, error) {
			return cel.CustomTypeProvider(provider{e.CELTypeProvider()})(e)
		},
	}
	for _, v := range variables {
		options = append(options, cel.Variable(v.name, v.typ))
	}
	return cel.NewEnv(options...)
})

// maxDays keeps durations far from where they overflow.
const maxDays = 36_500

// days makes a duration of a number of days, for which CEL has no unit.
func days(n ref.Val) ref.Val {
	count, ok := n.(types.Int)
	if !ok || count < -maxDays || count > maxDays {
		return types.NewErr("days: want at most %d", maxDays)
	}
	return types.Duration{Duration: time.Duration(count) * day}
}

// worstSizes bounds evidence for the estimate of costs. An evaluation is bounded
// whatever the sizes are.
type worstSizes struct{}

func (worstSizes) EstimateSize(e cost.AstNode) *cost.SizeEstimate {
	switch strings.Join(e.Path(), ".") {
	case "dependencies.added":
		return &cost.SizeEstimate{Max: 50}
	case "checks", "checks.@values.metrics":
		return &cost.SizeEstimate{Max: 30}
	case "advisories.affected", "advisories.fixes":
		return &cost.SizeEstimate{Max: 30}
	}
	if e.Type().Kind() == types.StringKind {
		return &cost.SizeEstimate{Max: 64}
	}
	return nil
}

func (worstSizes) EstimateCallCost(string, string, *cost.AstNode, []cost.AstNode) *cost.CallEstimate {
	return nil
}

// readsOf finds what an expression looks at.
func readsOf(tree *ast.AST) reads {
	var r reads
	ast.PreOrderVisit(tree.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		switch e.Kind() {
		case ast.IdentKind:
			r.checks = r.checks || e.AsIdent() == "checks"
			for i := range variables {
				r.clock = r.clock || variables[i].clock && e.AsIdent() == variables[i].name
			}
		case ast.SelectKind:
			owner := tree.GetType(e.AsSelect().Operand().ID())
			if f := fieldOf(owner.TypeName(), e.AsSelect().FieldName()); f != nil {
				r.clock = r.clock || f.clock
			}
		}
	}))
	return r
}

// explainIssue says what is wrong with an expression in the policy's words.
func explainIssue(message string) string {
	message, _, _ = strings.Cut(message, "\n")
	if name, ok := strings.CutPrefix(message, "undeclared reference to '"); ok {
		name, _, _ = strings.Cut(name, "'")
		names := make([]string, 0, len(variables))
		for _, v := range variables {
			names = append(names, v.name)
		}
		return fmt.Sprintf("there is no %q%s", name, orNearest(name, names, "; cratefence policy docs lists what there is"))
	}
	if name, ok := strings.CutPrefix(message, "undefined field '"); ok {
		name, _, _ = strings.Cut(name, "'")
		var names []string
		for _, f := range fields {
			names = append(names, f.name)
		}
		return fmt.Sprintf("there is no field %q%s", name, orNearest(name, names, "; cratefence policy docs lists what there is"))
	}
	return message
}

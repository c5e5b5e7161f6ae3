package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/alecthomas/kong"
)

// version is set by the linker (-X main.version=…).
var version = "devel"

// cli is the command line; each subcommand stands in its own file.
type cli struct {
	Config  string           `short:"c" env:"CRATEFENCE_CONFIG" placeholder:"FILE" help:"Configuration file (TOML). Without one, the built-in defaults hold; 'cratefence serve --help' lists them."`
	Data    string           `short:"d" env:"CRATEFENCE_DATA" placeholder:"DIR" help:"Data folder, instead of the configured one."`
	Version kong.VersionFlag `help:"Print the version."`

	Check     checkCmd     `cmd:"" help:"Check a crate here and now: a .crate file, an unpacked folder, or NAME@VERSION."`
	Serve     serveCmd     `cmd:"" help:"Run the service: intake, checks, pages and API."`
	Setup     setupCmd     `cmd:"" help:"Print or write the lines that have cargo use the fence."`
	Submit    submitCmd    `cmd:"" help:"Hand a .crate file to a running service."`
	Import    importCmd    `cmd:"" name:"import-index" help:"Take over a whole index, so that the fence works on day one."`
	Decisions decisionsCmd `cmd:"" help:"List what policies made of releases, and why."`
	Decide    decideCmd    `cmd:"" help:"Decide on a release: allow, keep, block, revoke; honour a yank, accept a line."`
	Except    exceptCmd    `cmd:"" help:"Let a release past one rule for a time; list and end exceptions."`
	Token     tokenCmd     `cmd:"" help:"Create, list and revoke the tokens that let others write."`
	Log       logCmd       `cmd:"" help:"Print the audit log: who wrote what, and when."`
	Checks    checksCmd    `cmd:"" help:"List the built-in checks, or explain one."`
	Policy    policyCmd    `cmd:"" help:"Explain policies, and check a policy file."`
	Demo      demoCmd      `cmd:"" help:"Start a small registry, publish crates to it and show what is found."`
}

// config is the configuration that the command line names.
func (c *cli) config() (Config, error) {
	cfg, err := loadConfig(c.Config)
	cfg.Data = orElse(c.Data, cfg.Data)
	return cfg, err
}

// exitError ends a command with a code. Its message, when it has one, is
// printed; a found failure is no error to print.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit status %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// run is the program: arguments in, exit code out.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) (code int) {
	var c cli
	exited := -1
	parser, err := kong.New(&c,
		kong.Name("cratefence"),
		kong.Description("The security fence for Rust crates: facts about every published version."),
		kong.Writers(stdout, stderr),
		kong.Exit(func(code int) { exited = code; panic(exitedEarly{}) }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, FlagsLast: true, WrapUpperBound: 80}),
		kong.Vars{"version": "cratefence " + version, "scopes": scopeNames()},
	)
	if err != nil {
		fmt.Fprintln(stderr, "cratefence:", err)
		return exitUsage
	}
	defer func() {
		// kong ends the program after --help and --version by calling Exit.
		if p := recover(); p != nil {
			if _, ok := p.(exitedEarly); !ok {
				panic(p)
			}
			code = exited
		}
	}()
	if len(args) == 0 {
		args = []string{"--help"}
	}
	chosen, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintf(stderr, "cratefence: %v\nTry 'cratefence --help'.\n", err)
		return exitUsage
	}
	chosen.BindTo(ctx, (*context.Context)(nil))
	err = chosen.Run(&terminal{in: stdin, out: stdout, err: stderr}, &c)
	var exit *exitError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &exit):
		if exit.err != nil {
			fmt.Fprintln(stderr, "cratefence:", exit.err)
		}
		return exit.code
	default:
		fmt.Fprintln(stderr, "cratefence:", err)
		return exitUsage
	}
}

type exitedEarly struct{}

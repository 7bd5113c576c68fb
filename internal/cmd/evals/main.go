// Command evals lets a model carry out everyday requests with zego-mcp's tools, and checks in
// the simulator of ZEGO what came of it.
//
// The model is behind any API that speaks as OpenAI's Chat Completions or as Anthropic's
// Messages do. Environment variables name it:
//
//   - EVALS_API_KEY is the key. Without it, nothing is asked and nothing is paid.
//   - EVALS_MODEL is the model's name.
//   - EVALS_API is openai (default) or anthropic.
//   - EVALS_BASE_URL is where the API is, such as http://127.0.0.1:11434/v1 for a model on
//     this machine. Default: https://api.openai.com/v1, or https://api.anthropic.com.
//
// Each task has its own simulator and server, so that tasks do not disturb each other. The
// simulator speaks in real time, so a run of all tasks takes about half an hour.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"text/tabwriter"
	"time"
)

func main() {
	only := flag.String("run", "", "regular expression of the names of tasks to run; default: all")
	list := flag.Bool("list", false, "print the tasks and end")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Getenv, os.Stdout, *only, *list)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "evals:", err)
		os.Exit(1)
	}
}

// run runs the tasks whose name matches the regular expression only, and prints a table. If
// list is true, it lists them instead. A task in which the model fails is no error.
func run(ctx context.Context, getenv func(string) string, out io.Writer, only string, list bool) error {
	wanted, err := regexp.Compile(only)
	if err != nil {
		return err
	}
	var chosen []task
	for _, t := range tasks {
		if wanted.MatchString(t.name) {
			chosen = append(chosen, t)
		}
	}
	if len(chosen) == 0 {
		return fmt.Errorf("no task matches %q", only)
	}
	if list {
		for _, t := range chosen {
			_, _ = fmt.Fprintf(out, "%s: %s\n", t.name, t.request)
		}
		return nil
	}
	m, err := newModel(getenv)
	if err != nil {
		return err
	}
	if m == nil {
		_, _ = fmt.Fprintln(out, "EVALS_API_KEY is not set: no model was asked, and nothing was paid. See `go doc ./internal/cmd/evals`.")
		return nil
	}
	return runTasks(ctx, m, out, chosen)
}

// runTasks tries each task with the model and prints a line for each, and the sums.
func runTasks(ctx context.Context, m model, out io.Writer, chosen []task) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "TASK\tRESULT\tCALLS\tERRORS\tTOKENS IN\tOUT\tTIME")
	var sum result
	var failures []string
	passed := 0
	for _, t := range chosen {
		r, err := try(ctx, m, t)
		if err != nil {
			_ = table.Flush()
			return fmt.Errorf("task %s: %w", t.name, err)
		}
		verdict := "ok"
		if r.failure == nil {
			passed++
		} else {
			verdict = "failed"
			failures = append(failures, fmt.Sprintf("%s: %v\n  answer: %.300q", t.name, r.failure, r.answer))
		}
		r.printLine(table, t.name, verdict)
		sum.add(r)
	}
	sum.printLine(table, "all", fmt.Sprintf("%d of %d", passed, len(chosen)))
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := io.WriteString(out, strings.Join(append([]string{""}, failures...), "\n")+"\n")
	return err
}

// result is how a model did in one task.
type result struct {
	failure       error // Why the task is not fulfilled; nil if it is.
	answer        string
	calls, errors int // Tool calls, and how many of them failed.
	usage         usage
	took          time.Duration
}

func (r *result) add(other result) {
	r.calls += other.calls
	r.errors += other.errors
	r.usage = r.usage.plus(other.usage)
	r.took += other.took
}

func (r *result) printLine(out io.Writer, name, verdict string) {
	_, _ = fmt.Fprintf(out, "%s\t%s\t%d\t%d\t%d\t%d\t%v\n", name, verdict, r.calls, r.errors, r.usage.input, r.usage.output, r.took.Round(time.Second))
}

// errTooManyCalls says that a model did not come to an end.
var errTooManyCalls = errors.New("the model made too many calls and was stopped")

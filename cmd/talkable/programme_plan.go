package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/talkable/talkable/internal/blueprint"
)

const portion = 50 // steps of a request

// programmePlanned is a plan as the platform answers it.
type programmePlanned struct {
	State     string
	Steps     []programmeStep
	Unchanged int
	Members   int64
	Warnings  []string
}

type programmeStep struct {
	Step                          int
	Action, Section, Name, Status string
	Part                          *string
	Changes                       []struct {
		Place         string
		Before, After json.RawMessage
	}
	Effects   []string
	Rehearsed bool
	Problem   *struct {
		Code, Detail string
		Errors       []struct{ Pointer, Detail string }
	}
}

// programmeWish is what the flags of plan and apply ask for.
type programmeWish struct {
	prune bool
	from  string
}

func (w *programmeWish) flags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&w.prune, "prune", false, "also end what the file doesn't name: archive actions and rewards, disable campaigns and commission plans")
	cmd.Flags().StringVar(&w.from, "effective-at", "", "when a change of the loyalty programme takes effect, as 2027-01-01T00:00:00Z; all else does at once")
}

func (w *programmeWish) body(f source) (*blueprint.Object, error) {
	body := blueprint.NewObject()
	body.Set("file", f.Root)
	body.Set("prune", w.prune)
	if w.from != "" {
		if _, err := time.Parse(time.RFC3339, w.from); err != nil {
			return nil, fmt.Errorf("--effective-at %q is no moment like 2027-01-01T00:00:00Z", w.from)
		}
		body.Set("effective_at", w.from)
	}
	return body, nil
}

// plan asks the platform what makes the site what a file says.
func (w *programmeWish) plan(ctx context.Context, r reach, f source) (programmePlanned, error) {
	var got struct{ Plan programmePlanned }
	body, err := w.body(f)
	if err == nil {
		err = f.refused(r.ask(ctx, "planProgramme", http.MethodPost, "/api/v2/programme/plan", body, &got))
	}
	return got.Plan, err
}

func programmeDiff(c *config) *cobra.Command {
	var w programmeWish
	cmd := &cobra.Command{Use: "diff FILE", Short: "Say where the site differs from a file", Args: cobra.ExactArgs(1),
		Long: "Says place by place what the site has and what the file says. It ends with 0 if nothing differs, 2 if something does, and 1 if it couldn't be found out."}
	cmd = reaching(c, cmd, func(ctx context.Context, r reach, cmd *cobra.Command, args []string) error {
		f, err := openProgramme(cmd, args[0])
		if err != nil {
			return err
		}
		p, err := w.plan(ctx, r, f)
		if err != nil || len(p.Steps) == 0 {
			return err
		}
		for _, s := range p.Steps {
			switch s.Action {
			case "create":
				fmt.Fprintf(cmd.OutOrStdout(), "+ %s\n", s.what())
			case "retire":
				fmt.Fprintf(cmd.OutOrStdout(), "- %s\n", s.what())
			default:
				s.differences(cmd.OutOrStdout(), "~ "+s.what()+" ")
			}
		}
		return exitCode(exitDiffers)
	})
	w.flags(cmd)
	return cmd
}

func programmePlan(c *config) *cobra.Command {
	var w programmeWish
	cmd := &cobra.Command{Use: "plan FILE", Short: "Say what would make the site what a file says, and what that does to members", Args: cobra.ExactArgs(1),
		Long: "Lists the steps in their order, with what each changes, how many members it moves between tiers, and what becomes of what is there already. Nothing is changed; each step that needs no\nearlier one was tried and taken back, so what would be refused is said now, with its place in the file."}
	cmd = reaching(c, cmd, func(ctx context.Context, r reach, cmd *cobra.Command, args []string) error {
		f, err := openProgramme(cmd, args[0])
		if err != nil {
			return err
		}
		p, err := w.plan(ctx, r, f)
		if err == nil {
			p.tell(cmd.OutOrStdout())
		}
		return err
	})
	w.flags(cmd)
	return cmd
}

func programmeApply(c *config) *cobra.Command {
	var w programmeWish
	var yes bool
	var reason string
	cmd := &cobra.Command{Use: "apply FILE", Short: "Make the site what a file says", Args: cobra.ExactArgs(1),
		Long: `Shows the plan, asks, and takes the steps in their order. If the site has changed since the plan was shown, nothing is done. Each step is a change of its own: the
first that is refused ends it, those before it stay, and the same command goes on from there. A file that was applied changes nothing when it is applied again.`,
		Example: "  talkable programme apply programme.yaml --reason 'Spring prices'\n  talkable programme apply programme.yaml --effective-at 2027-01-01T00:00:00Z --yes"}
	cmd = reaching(c, cmd, func(ctx context.Context, r reach, cmd *cobra.Command, args []string) error {
		out := cmd.OutOrStdout()
		f, err := openProgramme(cmd, args[0])
		if err != nil {
			return err
		}
		p, err := w.plan(ctx, r, f)
		if err != nil {
			return err
		}
		if p.tell(out); len(p.Steps) == 0 {
			return nil
		}
		if !yes && !confirmed(cmd.InOrStdin(), out) {
			fmt.Fprintln(out, "Nothing was done.")
			return exitCode(1)
		}
		body, err := w.body(f)
		if err != nil {
			return err
		}
		body.Set("reason", reason)
		body.Set("most", json.Number(strconv.Itoa(portion)))
		m := newMeter(cmd.ErrOrStderr(), "apply")
		complete, err := p.carryOut(ctx, r, f, body, out, m)
		m.done()
		if err == nil && !complete {
			fmt.Fprintln(out, "It stopped there. What was done stays; the same command goes on from here.")
			return exitCode(1)
		}
		return err
	})
	w.flags(cmd)
	cmd.Flags().BoolVar(&yes, "yes", false, "don't ask")
	cmd.Flags().StringVar(&reason, "reason", "", "kept in the audit log")
	return cmd
}

// carryOut applies a file in portions, so that no request lasts long however large it is. Each begins with the site as the one before left it: who changes
// something in between is not overrun.
func (p programmePlanned) carryOut(ctx context.Context, r reach, f source, body *blueprint.Object, out io.Writer, m *meter) (complete bool, err error) {
	done, state := 0, p.State
	for {
		body.Set("state", state)
		var got struct {
			Complete, More bool
			Next           string `json:"next_state"`
			Plan           programmePlanned
		}
		if err := f.refused(r.ask(ctx, "applyProgramme", http.MethodPost, "/api/v2/programme/apply", body, &got)); err != nil {
			return false, err
		}
		taken := len(got.Plan.Steps)
		if got.More {
			taken = min(portion, taken)
		}
		m.done()
		got.Plan.Steps = got.Plan.Steps[:taken]
		for i := range got.Plan.Steps {
			got.Plan.Steps[i].Step += done
		}
		got.Plan.told(out, f)
		if done, state = done+taken, got.Next; !got.More {
			return got.Complete, nil
		}
		m.count(int64(done), int64(len(p.Steps)))
	}
}

func confirmed(in io.Reader, out io.Writer) bool {
	fmt.Fprint(out, "\nApply it? Only yes is a yes: ")
	answer, _ := bufio.NewReader(in).ReadString('\n')
	return strings.TrimSpace(answer) == "yes"
}

// what is the thing that a step is about.
func (s programmeStep) what() string {
	out := s.Section
	if s.Name != "" {
		out += fmt.Sprintf(" %q", s.Name)
	}
	if s.Part != nil {
		out += " " + *s.Part
	}
	return out
}

// differences writes a line for each place.
func (s programmeStep) differences(out io.Writer, ahead string) {
	for _, c := range s.Changes {
		fmt.Fprintf(out, "%s%s: %s → %s\n", ahead, c.Place, nothing(c.Before), nothing(c.After))
	}
}

func nothing(v json.RawMessage) string {
	if string(v) == "null" {
		return "nothing"
	}
	return string(v)
}

// tell writes a plan for people.
func (p programmePlanned) tell(out io.Writer) {
	for _, w := range p.Warnings {
		fmt.Fprintf(out, "note: %s\n", w)
	}
	if len(p.Steps) == 0 {
		fmt.Fprintf(out, "The site is what the file says. As they should be: %d.\n", p.Unchanged)
		return
	}
	for _, s := range p.Steps {
		fmt.Fprintf(out, "%3d. %s %s\n", s.Step, s.Action, s.what())
		s.differences(out, "       ")
		for _, e := range s.Effects {
			fmt.Fprintf(out, "       - %s\n", e)
		}
	}
	fmt.Fprintf(out, "Steps: %d; as they should be: %d. Members of the programme: %d.\n", len(p.Steps), p.Unchanged, p.Members)
}

// told writes what became of the steps.
func (p programmePlanned) told(out io.Writer, f source) {
	for _, s := range p.Steps {
		fmt.Fprintf(out, "%-8s%s %s\n", s.Status, s.Action, s.what())
		if s.Problem == nil {
			continue
		}
		fmt.Fprintf(out, "        %s\n", s.Problem.Detail)
		for _, e := range s.Problem.Errors {
			pointer := strings.TrimPrefix(e.Pointer, "/file")
			fmt.Fprintf(out, "        %s%s: %s\n", place(f.name, f.At(pointer)), blueprint.Place(pointer), e.Detail)
		}
	}
}

package admin

import (
	"fmt"
	"io"
	"strings"
	"time"

	"mortise/stack/console"
	"mortise/stack/gateway"
)

// forwardCommands are those of forwarding rules. A rule is told as in the configuration: what stands between the braces of an inline table.
func (a *Admin) forwardCommands() []console.Command {
	return []console.Command{
		{Verb: "net forward add", Help: "[-b NAME] RULE: a forwarding rule as in the configuration, behind the device's others or ahead of one: from = \"rt0\", ethertype = \"ptp\", to = \"lan0\"", Run: a.addForward},
		{Verb: "net forward replace", Help: "-i DEVICE -n NAME RULE: another rule in its place", Run: a.replaceForward},
		{Verb: "net forward remove", Help: "-i DEVICE -n NAME: take a rule away", Run: a.removeForward},
		{Verb: "net forward latency", Help: "-i DEVICE -n NAME: how long the oob stage took for its frames", Run: a.forwardLatency},
		{Verb: "net forward", Help: "[-i DEVICE]: the forwarding rules, and what they have taken", Run: a.listForwards},
	}
}

// ruleFlags reads the flags, -i and -n among them if both must be there, and what is behind them.
func ruleFlags(args []string, least, most int, both bool, define func(o *options)) (o *options, rule string, err error) {
	o, err = parse(args, least, most, func(o *options) {
		if both {
			o.interfaceFlag()
			o.StringVar(&rule, "n", "", "")
		}
		define(o)
	})
	if err == nil && both {
		if err = o.needName("device"); err == nil && rule == "" {
			err = fmt.Errorf("name the rule: -n NAME")
		}
	}
	return o, rule, err
}

// maxWords bounds the words of a rule: a line has no more.
const maxWords = 1000

func (a *Admin) addForward(w io.Writer, args []string) error {
	before := ""
	o, _, err := ruleFlags(args, 1, maxWords, false, func(o *options) { o.StringVar(&before, "b", "", "") })
	if err != nil {
		return err
	}
	r, err := a.AddForward(gateway.RuleText{TOML: strings.Join(o.Args(), " ")}, before)
	if err != nil {
		return err
	}
	return r.tell(w)
}

func (a *Admin) replaceForward(w io.Writer, args []string) error {
	o, name, err := ruleFlags(args, 1, maxWords, true, func(*options) {})
	if err != nil {
		return err
	}
	r, err := a.ReplaceForward(o.name, name, gateway.RuleText{TOML: strings.Join(o.Args(), " ")})
	if err != nil {
		return err
	}
	return r.tell(w)
}

func (a *Admin) removeForward(w io.Writer, args []string) error {
	o, name, err := ruleFlags(args, 0, 0, true, func(*options) {})
	if err == nil {
		err = a.RemoveForward(o.name, name)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s: rule %s is gone\n", o.name, name)
	return err
}

func (a *Admin) listForwards(w io.Writer, args []string) error {
	o, err := parse(args, 0, 0, (*options).interfaceFlag)
	if err != nil {
		return err
	}
	list, err := a.Forwards(o.name)
	if err != nil {
		return err
	}
	for i := range list {
		if err := list[i].tell(w); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintf(w, "%d rules\n", len(list))
	return err
}

// tell writes a line.
func (r *Rule) tell(w io.Writer) error {
	_, err := fmt.Fprintf(w, "%s %d %s: %s; %d frames%s\n", r.Device, r.Place, r.Name, r.Does, r.Matched, r.Latency.String())
	return err
}

// String says in short how long it took; "" where nothing was handed over.
func (l *Latency) String() string {
	if l.Frames == 0 {
		return ""
	}
	text := fmt.Sprintf(", handed over %d times", l.Frames)
	for _, p := range []struct {
		what     string
		permille uint64
	}{{"half", 500}, {"99 %", 990}, {"all", 1000}} {
		if t := l.Within(p.permille); t != 0 {
			text += fmt.Sprintf(", %s within %v", p.what, t)
		}
	}
	return text
}

// barLength is how many signs the longest bar of a histogram has.
const barLength = 40

func (a *Admin) forwardLatency(w io.Writer, args []string) error {
	o, name, err := ruleFlags(args, 0, 0, true, func(*options) {})
	if err != nil {
		return err
	}
	r, err := a.Forward(o.name, name)
	if err != nil {
		return err
	}
	most := uint64(1)
	for _, b := range r.Latency.Buckets {
		most = max(most, b.Frames)
	}
	for _, b := range r.Latency.Buckets {
		end := "or more"
		if b.Below != 0 {
			end = "to " + b.Below.String()
		}
		bar := strings.Repeat("#", int((b.Frames*barLength+most-1)/most))
		if _, err := fmt.Fprintf(w, "%12v %-14s %10d %s\n", b.From, end, b.Frames, bar); err != nil {
			return err
		}
	}
	mean := time.Duration(0)
	if r.Latency.Frames != 0 {
		mean = r.Latency.Sum / time.Duration(r.Latency.Frames)
	}
	_, err = fmt.Fprintf(w, "%d frames handed over, %v each on average, from the beginning of the activation on\n", r.Latency.Frames, mean)
	return err
}

package admin

import (
	"errors"
	"flag"
	"fmt"
	"io"

	"mortise/stack/console"
)

// Commands returns the `net` commands of the console: the verbs of `evl net`.
func (a *Admin) Commands() []console.Command {
	return append([]console.Command{
		{Verb: "net enable", Help: "-i PORT [-a ADDRESS/BITS] [-p BUFFERS] [-b BYTES]: make it an oob port, with room for so many datagrams of that size; -a: a new one", Run: a.enable},
		{Verb: "net disable", Help: "-i PORT: make it in-band only; one that was made with -a is gone then", Run: a.disable},
		{Verb: "net divert", Help: "-i DEVICE on|off: the oob stage gets its frames first, without an oob port, too", Run: a.diversion},
		{Verb: "net vlans", Help: "-i DEVICE [LIST|none]: show, or set, VLANs that are oob without a port: 42-45,100", Run: a.vlans},
		{Verb: "net filter", Help: "[-i DEVICE [-f FUNCTION] [-m VERDICT] [-e VERDICT] [-c] [FILE|none]]: show, set or remove a filter program", Run: a.filterCommand},
		{Verb: "net explain", Help: "-i DEVICE HEX: what becomes of a frame, and why", Run: a.explainCommand},
		{Verb: "net solicit", Help: "[-i PORT] [-s] [-g] [-t SECONDS] ADDRESS: ask for a peer; -s permanent, -g by a gateway", Run: a.solicit},
		{Verb: "net neigh flush", Help: "forget the neighbours that are not permanent, and routes through gateways", Run: a.flush},
		{Verb: "net neigh set", Help: "-i PORT ADDRESS MAC: a permanent neighbour", Run: a.setNeighbour},
		{Verb: "net neigh remove", Help: "-i PORT ADDRESS: forget a neighbour", Run: a.removeNeighbour},
		{Verb: "net neigh", Help: "[-i PORT]: the neighbours that the oob stage knows", Run: a.neighbours},
		{Verb: "net routes", Help: "the networks that the oob stage reaches", Run: a.routes},
		{Verb: "net sockets", Help: "the oob sockets", Run: a.listSockets},
		{Verb: "net conflicts", Help: "other hosts with an address of ours, or of a permanent neighbour", Run: a.listConflicts},
		{Verb: "net capture stop", Help: "NAME: end a capture; its file stays", Run: a.stopCapture},
		{Verb: "net capture remove", Help: "NAME: end it, and take its file away", Run: a.removeCapture},
		{Verb: "net capture", Help: "[-i PORT [-n FRAMES] [-s BYTES] NAME [RULE]]: keep a port's frames in /captures/NAME.pcap; or what is kept", Run: a.captureCommand},
		{Verb: "net query", Help: "[-i PORT|DEVICE]: all ports and devices, or all that there is to say about one", Run: a.query},
	}, a.forwardCommands()...)
}

// options are the flags of a command: those that it has are asked for.
type options struct {
	*flag.FlagSet
	name string
}

// parse reads args: the flags that define makes, then at least least and at most most words.
func parse(args []string, least, most int, define func(o *options)) (*options, error) {
	o := &options{FlagSet: flag.NewFlagSet("", flag.ContinueOnError)}
	o.SetOutput(io.Discard)
	o.Usage = func() {}
	define(o)
	if err := o.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil, errors.New("help tells what it wants")
		}
		return nil, err
	}
	if n := o.NArg(); n < least || n > most {
		return nil, fmt.Errorf("%d words behind the flags, want %d to %d; help tells which", n, least, most)
	}
	return o, nil
}

// interfaceFlag is -i.
func (o *options) interfaceFlag() { o.StringVar(&o.name, "i", "", "") }

// needName returns the error when -i is missing.
func (o *options) needName(what string) error {
	if o.name == "" {
		return fmt.Errorf("name the %s: -i NAME", what)
	}
	return nil
}

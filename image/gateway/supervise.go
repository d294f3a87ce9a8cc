//go:build tamago

package main

import (
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"time"

	"mortise/board/mx6ullevk"
	"mortise/stack/console"
	"mortise/stack/divert"
	"mortise/stack/socket"
	"mortise/stack/stage"
	"mortise/stack/task"
)

// onFault takes every device to in-band after a fault has stopped the oob stage, and starts the stage again if the policy
// lets it.
func (g *gatewayImage) onFault(f stage.Fault) {
	g.supervise.Lock()
	defer g.supervise.Unlock()
	fmt.Print(f)
	tellTaskFault()
	now := time.Since(g.started)
	g.record.Fault(f.String(), now)
	diverted, err := g.takeOver()
	for i, d := range g.devices {
		if !g.admin.Diverted(i) {
			unsilence(d)
		}
	}
	if err != nil {
		log.Printf("fall back: %v", err)
	} else {
		for _, d := range diverted {
			fmt.Printf("%s: in-band serves it from now on\n", d.Name())
		}
	}
	switch r := g.policy.Report(now); {
	case err != nil:
		fmt.Println("oob stage: stays down: a device is in no state to start with")
	case g.policy.Fault(now):
		g.serve()
	default:
		fmt.Printf("oob stage: stays down: %d restarts in the last minute, at most %d are configured; \"oob restart\" starts it\n",
			r.LastMinute, r.PerMinute)
	}
}

// takeOver takes every device of the oob stage's to in-band, by resetting its controller: what stood in the way is lost. The stage serves
// nothing. The caller holds supervise.
func (g *gatewayImage) takeOver() (diverted []*divert.Device, err error) {
	for i, d := range g.devices {
		if g.admin.Diverted(i) {
			diverted = append(diverted, d)
		}
	}
	rest, err := divert.Recover(diverted...)
	socket.Reset(rest)
	return diverted, err
}

// serve lets the stage serve after a fault or a stop, with every device of the oob stage's. The caller holds supervise.
func (g *gatewayImage) serve() {
	task.Restart()
	stage.Restart()
	stage.Start()
	for i, d := range g.devices {
		if g.admin.Diverted(i) {
			d.Divert(true)
		}
	}
	fmt.Println("oob stage: serving again")
}

// restartStage is serve by command.
func (g *gatewayImage) restartStage() error {
	g.supervise.Lock()
	defer g.supervise.Unlock()
	if stage.Running() {
		return errors.New("the stage serves")
	}
	g.policy.Command()
	g.serve()
	return nil
}

// stopStage takes every device to in-band, then stops the stage.
func (g *gatewayImage) stopStage() error {
	g.supervise.Lock()
	defer g.supervise.Unlock()
	if !stage.Running() {
		return fmt.Errorf("the stage is %v", stage.Status())
	}
	var stuck error
	for i, d := range g.devices {
		if g.admin.Diverted(i) {
			stuck = errors.Join(stuck, d.Divert(false))
		}
	}
	stage.Stop()
	if stuck != nil {
		fmt.Printf("%v: the controllers are set up anew\n", stuck)
		if _, err := g.takeOver(); err != nil {
			return err
		}
	}
	fmt.Println("oob stage: stopped; in-band serves its devices")
	return nil
}

// serveConsole runs the commands that come over the serial console.
func (g *gatewayImage) serveConsole() {
	mx6ullevk.ServeConsole()
	c := console.New(append([]console.Command{
		{Verb: "oob status", Help: "what the oob stage does", Run: func(w io.Writer, _ []string) error {
			return g.tellStage(w)
		}},
		{Verb: "oob restart", Help: "start it after a fault or a stop", Run: func(io.Writer, []string) error {
			return g.restartStage()
		}},
		{Verb: "oob stop", Help: "stop it; in-band serves its devices", Run: func(io.Writer, []string) error {
			return g.stopStage()
		}},
		{Verb: "task list", Help: "the oob tasks, and what is counted of them", Run: func(w io.Writer, _ []string) error {
			return tellTasks(w)
		}},
	}, append(g.admin.Commands(), g.files.Commands()...)...)...)
	go c.Serve(mx6ullevk.ReadLine, os.Stdout)
}

func (g *gatewayImage) tellStage(w io.Writer) error {
	s, r := stage.Statistics(), g.policy.Report(time.Since(g.started))
	_, err := fmt.Fprintf(w, "oob stage: %v, %d activations, %d faults, %d restarts, %d of %d in the last minute by itself\n",
		stage.Status(), s.Activations, s.Faults, r.Total, r.LastMinute, r.PerMinute)
	if err != nil {
		return err
	}
	if f, ok := stage.LastFault(); ok {
		_, err = fmt.Fprintf(w, "last %v", f)
	}
	return err
}

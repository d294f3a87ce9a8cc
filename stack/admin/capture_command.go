package admin

import (
	"fmt"
	"io"
	"strings"

	"mortise/stack/capture"
)

// captureCommand begins a capture, or lists those there are.
func (a *Admin) captureCommand(w io.Writer, args []string) error {
	var c capture.Options
	o, err := parse(args, 0, 16, func(o *options) {
		o.interfaceFlag()
		o.IntVar(&c.Packets, "n", capture.MaxPackets, "")
		o.IntVar(&c.Snap, "s", capture.MaxSnap, "")
	})
	if err != nil {
		return err
	}
	if o.NArg() == 0 && o.name == "" {
		list := a.CaptureList()
		for _, t := range list {
			if _, err := fmt.Fprintln(w, t); err != nil {
				return err
			}
		}
		_, err := fmt.Fprintf(w, "%d captures\n", len(list))
		return err
	}
	if err := o.needName("port"); err != nil {
		return err
	}
	switch {
	case o.NArg() == 0:
		return fmt.Errorf("name the capture, too: its file is %sNAME.pcap", capture.Folder)
	case c.Packets == 0:
		return fmt.Errorf("0 frames: %w", ErrInvalid)
	case c.Snap == 0:
		return fmt.Errorf("0 bytes of a frame: %w", ErrInvalid)
	}
	c.Port, c.Name, c.Rule = o.name, o.Arg(0), strings.Join(o.Args()[1:], " ")
	if err := a.Capture(c); err != nil {
		return err
	}
	return a.tellCapture(w, c.Name)
}

func (a *Admin) tellCapture(w io.Writer, name string) error {
	t, err := a.CaptureState(name)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(w, t)
	return err
}

func (a *Admin) stopCapture(w io.Writer, args []string) error {
	o, err := parse(args, 1, 1, func(*options) {})
	if err == nil {
		err = a.StopCapture(o.Arg(0))
	}
	if err != nil {
		return err
	}
	return a.tellCapture(w, o.Arg(0))
}

func (a *Admin) removeCapture(w io.Writer, args []string) error {
	o, err := parse(args, 1, 1, func(*options) {})
	if err == nil {
		err = a.RemoveCapture(o.Arg(0))
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s: removed\n", o.Arg(0))
	return err
}

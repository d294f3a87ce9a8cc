package admin

import (
	"flag"
	"fmt"
	"io"
	"net/netip"
	"strings"

	"mortise/stack/gateway"
)

func (a *Admin) enable(w io.Writer, args []string) error {
	var pool, buffer *int
	var address *string
	o, err := parse(args, 0, 0, func(o *options) {
		o.interfaceFlag()
		address = o.String("a", "", "")
		pool, buffer = o.Int("p", 0, ""), o.Int("b", 0, "")
	})
	if err == nil {
		err = o.needName("port")
	}
	if err == nil {
		err = poolGiven(o, *pool, *buffer)
	}
	if err == nil {
		err = a.enableOrMake(o.name, *address, *pool, *buffer)
	}
	if err != nil {
		return err
	}
	p, err := a.Port(o.name)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s: oob port, %d buffers of %d bytes%s\n", p.Name, p.Pool.Size, p.Pool.BufferBytes, p.Pool.limit())
	return err
}

// enableOrMake enables a port, or makes one if there is an address for it.
func (a *Admin) enableOrMake(name, address string, pool, buffer int) error {
	if address == "" {
		return a.EnableSized(name, pool, buffer)
	}
	prefix, err := netip.ParsePrefix(address)
	if err != nil {
		return fmt.Errorf("%s: address %q: %w: want an IPv4 address with the length of its prefix, as 10.0.77.1/24", name, address, ErrInvalid)
	}
	return a.Make(NewPort{Name: name, Address: prefix, Pool: pool, Buffer: buffer})
}

// limit says what the largest datagram is, if there is a limit.
func (l *Pool) limit() string {
	if l.MostBytes == 0 {
		return ""
	}
	return fmt.Sprintf(", for datagrams of up to %d bytes", l.MostBytes)
}

// poolGiven refuses a pool of no buffers, and buffers of no bytes: to EnableSized 0 is nothing said.
func poolGiven(o *options, pool, buffer int) (err error) {
	o.Visit(func(f *flag.Flag) {
		if f.Name == "p" && pool == 0 {
			err = fmt.Errorf("a pool of 0 buffers: %w", ErrInvalid)
		}
		if f.Name == "b" && buffer == 0 {
			err = fmt.Errorf("buffers of 0 bytes: %w", ErrInvalid)
		}
	})
	return err
}

func (a *Admin) disable(w io.Writer, args []string) error {
	o, err := parse(args, 0, 0, (*options).interfaceFlag)
	if err == nil {
		err = o.needName("port")
	}
	if err != nil {
		return err
	}
	held, err := a.Disable(o.name)
	if err != nil {
		return err
	}
	how := "in-band only"
	if _, err := a.Port(o.name); err != nil {
		how = "gone"
	}
	if held != 0 {
		how += fmt.Sprintf("; %d buffers are still in use", held)
	}
	_, err = fmt.Fprintf(w, "%s: %s\n", o.name, how)
	return err
}

func (a *Admin) diversion(w io.Writer, args []string) error {
	o, err := parse(args, 1, 1, (*options).interfaceFlag)
	if err == nil {
		err = o.needName("device")
	}
	if err == nil && o.Arg(0) != "on" && o.Arg(0) != "off" {
		err = fmt.Errorf("%q: want on or off", o.Arg(0))
	}
	if err != nil {
		return err
	}
	if _, err := a.Divert(o.name, o.Arg(0) == "on"); err != nil {
		return err
	}
	d, err := a.Device(o.name)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s: %s\n", d.Name, d.diversion())
	return err
}

// driver says in words what the device's driver is.
func (d *Device) driver() string {
	if d.OobCapable {
		return "oob-capable"
	}
	return gateway.StockDriver
}

// diversion says in words whether a device is diverted, and what for.
func (d *Device) diversion() string {
	if !d.Diverted {
		return "not diverted"
	}
	return "diverted, for " + strings.Join(d.For, ", ")
}

func (a *Admin) vlans(w io.Writer, args []string) error {
	o, err := parse(args, 0, 1, (*options).interfaceFlag)
	if err == nil {
		err = o.needName("device")
	}
	if err != nil {
		return err
	}
	if list := o.Arg(0); list != "" {
		if list == "none" {
			list = ""
		}
		if err := a.SetVLANs(o.name, list); err != nil {
			return err
		}
	}
	list, err := a.VLANs(o.name)
	if err != nil {
		return err
	}
	if list == "" {
		list = "none"
	}
	_, err = fmt.Fprintf(w, "%s: VLANs that are oob without a port: %s\n", o.name, list)
	return err
}

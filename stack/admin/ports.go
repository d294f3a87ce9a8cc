package admin

import (
	"fmt"
	"net/netip"
	"slices"

	"mortise/stack/filter/vids"
	"mortise/stack/frame"
	"mortise/stack/neigh"
	"mortise/stack/oob"
	"mortise/stack/socket"
)

// Enable makes a port an oob port, with a pool of so many buffers (0: what the configuration says, else 2048). The device is
// diverted if it is not. A port that is on already is no error, unless another size is asked for than it has.
func (a *Admin) Enable(name string, pool int) error { return a.EnableSized(name, pool, 0) }

// EnableSized is Enable with the bytes of the largest datagram on the port, for which each buffer has room then (0: what the configuration
// says, else no limit beside the stack's).
func (a *Admin) EnableSized(name string, pool, buffer int) (err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	p, err := a.port(name)
	if err != nil {
		return err
	}
	size, most, err := p.sizes(pool, buffer)
	if err != nil {
		return err
	}
	if p.enabled.Load() {
		return p.hasSizes(pool, buffer)
	}
	return a.turnOn(p, size, most)
}

// hasSizes says that p, which is on, has other buffers than are asked for; 0: nothing said.
func (p *port) hasSizes(pool, buffer int) error {
	has := int(socket.PoolStats(p.index()).Size) / socket.SlotsOf(p.most)
	if (pool == 0 || pool == has) && (buffer == 0 || buffer == p.most) {
		return nil
	}
	most := fmt.Sprintf("of %d bytes", frame.SlotSize)
	if p.most != 0 {
		most = fmt.Sprintf("for datagrams of up to %d bytes", p.most)
	}
	return fmt.Errorf("%s: %w: it is on, with %d buffers %s; disable it first", p.name, ErrRefused, has, most)
}

// sizes returns how many buffers the port gets, and the bytes of each, when somebody asks for so many; 0: nothing said.
func (p *port) sizes(pool, buffer int) (int, int, error) {
	if pool == 0 {
		pool = p.pool
	}
	if buffer == 0 {
		buffer = p.buffer
	}
	switch {
	case pool < 1 || pool > socket.MaxPool:
		return 0, 0, fmt.Errorf("%s: a pool of %d buffers: %w, want 1 to %d", p.name, pool, ErrInvalid, socket.MaxPool)
	case buffer != 0 && (buffer < socket.MinBuffer || buffer > socket.MaxBuffer):
		return 0, 0, fmt.Errorf("%s: a buffer of %d bytes: %w, want %d to %d", p.name, buffer, ErrInvalid, socket.MinBuffer, socket.MaxBuffer)
	case p.loop && buffer != 0:
		return 0, 0, fmt.Errorf("%s: a buffer of %d bytes: %w: nothing is in fragments there", p.name, buffer, ErrInvalid)
	}
	return pool, buffer, nil
}

// turnOn makes p, which is off, an oob port.
func (a *Admin) turnOn(p *port, pool, buffer int) (err error) {
	defer func() {
		if err == nil {
			a.endCaptures(p) // of it as in-band's
		}
	}()
	var undo steps
	defer undo.onError(&err)
	a.reap()
	if !p.loop {
		if err := a.mayEnable(p); err != nil {
			return err
		}
	}
	if err := p.open(pool, buffer); err != nil {
		return fmt.Errorf("%s: %w: %w", p.name, ErrRefused, err)
	}
	undo.add(func() { p.close() })
	p.enabled.Store(true)
	undo.add(func() { p.enabled.Store(false) })
	if err := a.route(); err != nil {
		return fmt.Errorf("%s: %w: %w", p.name, ErrRefused, err)
	}
	undo.add(func() { p.enabled.Store(false); _ = a.route() })
	if err := a.publish(); err != nil {
		return fmt.Errorf("%s: %w: %w", p.name, ErrRefused, err)
	}
	undo.add(func() { p.enabled.Store(false); _ = a.publish() })
	if !p.loop {
		if err := a.divert(p.dev); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		a.answers(p, true)
	}
	p.live.Store(true)
	p.pin()
	a.ask(p, p.solicit)
	return nil
}

// mayEnable says why a port of a device cannot be an oob port now, or gives it a place.
func (a *Admin) mayEnable(p *port) error {
	d := a.devices[p.dev]
	switch {
	case !d.up:
		return fmt.Errorf("%s: %w", p.name, ErrDown)
	case d.vlans.Has(p.vid):
		return fmt.Errorf("%s: %w: the VLAN rule of %s has VLAN %d", p.name, ErrRefused, d.name, p.vid)
	}
	return d.settle(p)
}

// Disable makes a port in-band only, in order: the companion core forgets it, nothing of sockets goes out by it any more, the device is no longer
// diverted if nothing else needs it to be; then, as nothing can fail any more, its captures end, what sockets hold goes back and its neighbours go.
// held is the number of buffers that tasks or goroutines still have in their hands: the pool goes when they have given them back. A port that
// is off already is no error. A port that was made at run time is gone then.
func (a *Admin) Disable(name string) (held uint32, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	p, err := a.port(name)
	if err != nil || !p.enabled.Load() {
		return 0, err
	}
	if err := a.takeOut(p); err != nil {
		return 0, err
	}
	p.live.Store(false)
	a.endCaptures(p)
	_ = a.route() // one less than there were
	held = p.close()
	if p.made && a.hooks.RemovePort != nil {
		a.hooks.RemovePort(p.dev, p.vid)
	}
	return held, nil
}

// takeOut has the companion core forget p and stops its sockets, with all that they, its captures and the front caches have of it as it is.
func (a *Admin) takeOut(p *port) (err error) {
	var undo steps
	defer undo.onError(&err)
	if !p.loop {
		a.answers(p, false)
		undo.add(func() { a.answers(p, true) })
	}
	undo.add(func() { _ = a.publish() })
	p.enabled.Store(false)
	undo.add(func() { p.enabled.Store(true) })
	if p.made {
		d, ports := a.devices[p.dev], a.devices[p.dev].ports
		a.drop(p)
		undo.add(func() { d.ports = ports; a.list() })
	}
	if err := a.publish(); err != nil {
		return fmt.Errorf("%s: %w: %w", p.name, ErrRefused, err)
	}
	if p.loop {
		return nil
	}
	socket.Pause(p.index())
	undo.add(func() {
		if a.devices[p.dev].up {
			socket.Up(p.index())
		}
	})
	if err := a.divert(p.dev); err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	return nil
}

// settle gives p a place in the companion core's table of its device: the one it has had, or one of its VLAN had that is gone, for
// sockets may be bound to it; else one that nobody has had, else one of a port that is off, has no buffers out and no sockets bound to it.
func (d *device) settle(p *port) error {
	if p.place != none && d.owner[p.place] == p {
		return nil
	}
	for i, owner := range d.owner {
		if owner != nil && owner.made && owner.vid == p.vid { // it is off, or there would be no p
			d.owner[i], p.place, owner.place = p, i, none
			p.moveIn()
			return nil
		}
	}
	for i, owner := range d.owner {
		if owner == nil {
			d.owner[i], p.place = p, i
			p.moveIn()
			return nil
		}
	}
	for i, owner := range d.owner {
		index := oob.PortIndex(p.dev, uint32(i))
		if owner.enabled.Load() || bound(index) || socket.RemovePort(index) != nil {
			continue
		}
		owner.moveOut()
		d.owner[i], p.place, owner.place = p, i, none
		p.moveIn()
		return nil
	}
	return fmt.Errorf("%s: %w: %s has %d oob ports, or ports that sockets still use; that is all it can have",
		p.name, ErrRefused, d.name, oob.MaxPorts)
}

// bound reports whether a socket is bound to the oob port of an index.
func bound(index uint32) bool {
	for _, s := range socket.List() {
		if s.Bound && s.Port == index {
			return true
		}
	}
	return false
}

// reap takes back the pools of ports that are off, as far as their buffers have come back.
func (a *Admin) reap() {
	for _, d := range a.devices {
		for _, p := range d.owner { // those that are gone, too
			if p != nil && !p.enabled.Load() {
				_ = socket.RemovePort(p.index())
			}
		}
	}
	if !a.loop.enabled.Load() {
		_ = socket.RemovePort(a.loop.index())
	}
}

// open makes the port exist for sockets, and lets frames in and out.
func (p *port) open(pool, buffer int) error {
	err := socket.SetPort(p.index(), socket.Port{Name: p.id(), Text: p.name, Addr: p.address, MAC: p.mac, Pool: pool, Buffer: buffer})
	if err == nil {
		p.most = buffer
		socket.Up(p.index())
	}
	return err
}

// close is open's inverse, behind the companion core. It returns the number of buffers that are still in use.
func (p *port) close() uint32 {
	held := socket.ShutDown(p.index())
	neigh.Purge(p.id(), true)
	_ = socket.RemovePort(p.index()) // else reap does
	return held
}

// pin enters the neighbours that are known from the configuration, or were set.
func (p *port) pin() {
	for addr, mac := range p.static {
		_ = neigh.Set(p.id(), addr, mac, true) // full: a peer is unsolicited, and who sends is told so
	}
}

// answers tells in-band who answers for the port's address.
func (a *Admin) answers(p *port, oob bool) {
	if a.hooks.Answers != nil {
		a.hooks.Answers(p.dev, p.vid, oob)
	}
}

// divert gives a device to the stage that its references ask for.
func (a *Admin) divert(dev uint32) error {
	d := a.devices[dev]
	on := len(d.references()) != 0
	if on == d.diverted.Load() {
		return nil
	}
	d.diverted.Store(on)
	if err := a.hooks.Divert(dev, on); err != nil {
		d.diverted.Store(!on)
		return fmt.Errorf("diversion of %s: %w", d.name, err)
	}
	return nil
}

// Divert asks for a device's diversion without an oob port on it, or no longer. It stays diverted while anything else needs it
// to be: diverted tells.
func (a *Admin) Divert(name string, on bool) (diverted bool, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	dev, d, err := a.device(name)
	if err != nil {
		return false, err
	}
	before := d.held
	d.held = on
	if err := a.divert(dev); err != nil {
		d.held = before
		return d.diverted.Load(), err
	}
	return d.diverted.Load(), nil
}

// SetVLANs makes list the device's VLAN rule, "42-45,100": the VLANs whose IPv4 is the oob stage's although no port is on them.
// The empty list takes the rule away.
func (a *Admin) SetVLANs(name, list string) (err error) {
	set, err := vids.Parse(list)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	dev, d, err := a.device(name)
	if err != nil {
		return err
	}
	for _, p := range d.ports {
		if p.vid != 0 && set.Has(p.vid) {
			return fmt.Errorf("VLAN list %q: %w: VLAN %d has a port, %s; enable that one", list, ErrRefused, p.vid, p.name)
		}
	}
	var undo steps
	defer undo.onError(&err)
	before := d.vlans
	d.vlans = set
	undo.add(func() { d.vlans = before })
	if err := a.publish(); err != nil {
		return fmt.Errorf("VLAN list %q: %w: %w", list, ErrRefused, err)
	}
	undo.add(func() { d.vlans = before; _ = a.publish() })
	return a.divert(dev)
}

// VLANs returns the device's VLAN rule.
func (a *Admin) VLANs(name string) (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	_, d, err := a.device(name)
	if err != nil {
		return "", err
	}
	return vids.Format(&d.vlans), nil
}

// Link tells that a device's link has come or gone. Its ports go with it: nothing is sent, and neighbours are forgotten but for
// the permanent ones; queues stay. When the link comes back so do they, and whom the ports knew is asked for anew.
func (a *Admin) Link(dev int, up bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if dev < 0 || dev >= len(a.devices) || a.devices[dev].up == up {
		return
	}
	d := a.devices[dev]
	d.up = up
	for _, p := range d.ports {
		if !p.enabled.Load() {
			continue
		}
		p.live.Store(up)
		if up {
			socket.Up(p.index())
			a.ask(p, p.solicit)
			a.ask(p, p.known)
			continue
		}
		socket.Pause(p.index())
		p.remember()
		neigh.Purge(p.id(), false)
		a.forget(p, netip.Addr{})
	}
}

// Ask solicits the peers that the configuration names, in the background: for when everything has started.
func (a *Admin) Ask() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, p := range a.ports() {
		if p.live.Load() {
			a.ask(p, p.solicit)
		}
	}
}

// ask has peers of a port solicited.
func (a *Admin) ask(p *port, addrs []netip.Addr) {
	for _, addr := range addrs {
		if a.hooks.Ask != nil {
			a.hooks.Ask(Peer{p.name, addr})
		}
	}
}

// remember notes whom the port knows, to ask for them when its link comes back.
func (p *port) remember() {
	p.known = nil
	for _, e := range neigh.List() {
		if e.Port == p.id() && !e.Permanent && !slices.Contains(p.solicit, e.Addr) {
			p.known = append(p.known, e.Addr)
		}
	}
}

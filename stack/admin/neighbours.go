package admin

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"mortise/stack/gateway"
	"mortise/stack/neigh"
)

// Bounds of the time that Solicit waits: EVL's five seconds, and what a client of the API waits for an answer.
const (
	SolicitTimeout    = 5 * time.Second
	MaxSolicitTimeout = 8 * time.Second
)

// Peer is an address on a port's network.
type Peer struct {
	Port string
	Addr netip.Addr
}

// Neighbour is an entry of the oob stage's front cache.
type Neighbour struct {
	Port      string     `json:"port"`
	Address   netip.Addr `json:"address"`
	MAC       string     `json:"mac"`
	Permanent bool       `json:"permanent"`
	// Heard is who answers for the address, where a permanent entry says another: see Solicit.
	Heard string `json:"heard,omitempty"`
}

// Route is an entry of the oob stage's route cache.
type Route struct {
	Prefix  netip.Prefix `json:"prefix"`
	Port    string       `json:"port"`
	Gateway string       `json:"gateway,omitempty"`
}

// Solicitation is what Solicit asks for.
type Solicitation struct {
	Addr      netip.Addr
	Port      string        // "": the port whose network the address is of
	Permanent bool          // the entry stays until it is taken out
	Gateway   bool          // an address of no oob port's network may be reached through an oob port's gateway
	Timeout   time.Duration // 0: SolicitTimeout
}

// Solicit asks on the wire for a peer and waits until the oob stage knows it, so that nothing waits for that once real-time traffic
// begins. It returns what the front cache then has: a permanent entry stays as it is unless s.Permanent replaces it.
func (a *Admin) Solicit(ctx context.Context, s Solicitation) (n Neighbour, err error) {
	if s.Timeout == 0 {
		s.Timeout = SolicitTimeout
	}
	if s.Timeout < 0 || s.Timeout > MaxSolicitTimeout {
		return n, fmt.Errorf("solicit %v: a timeout of %v: %w, want up to %v", s.Addr, s.Timeout, ErrInvalid, MaxSolicitTimeout)
	}
	p, hop, err := a.way(s)
	if err != nil {
		return n, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	mac, err := a.hooks.Solicit(ctx, p.dev, p.vid, hop)
	switch {
	case err != nil && ctx.Err() != nil:
		return n, fmt.Errorf("solicit %v on %s: %w within %v", hop, p.name, ErrTimeout, s.Timeout)
	case err != nil:
		return n, fmt.Errorf("solicit %v on %s: %w: %w", hop, p.name, ErrRefused, err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if !p.live.Load() {
		return n, fmt.Errorf("%s: %w: it went down meanwhile", p.name, ErrNotOob)
	}
	var undo steps
	defer undo.onError(&err)
	if hop != s.Addr {
		via := slices.Clone(a.via)
		if err := a.addVia(neigh.Table{Prefix: netip.PrefixFrom(s.Addr, s.Addr.BitLen()), Port: p.id(), Gateway: hop}); err != nil {
			return n, err
		}
		undo.add(func() { a.via = via; _ = a.route() })
	}
	if err := p.enter(hop, mac, s.Permanent); err != nil {
		return n, err
	}
	n = Neighbour{Port: p.name, Address: hop, MAC: macText(mac), Permanent: s.Permanent}
	if e, ok := neigh.Find(p.id(), hop); ok && e.Permanent {
		n.Permanent = true
		if e.MAC != mac {
			n.MAC, n.Heard = macText(e.MAC), n.MAC
		}
	}
	return n, nil
}

// way returns the port that leads to an address, and whom to ask for there.
func (a *Admin) way(s Solicitation) (p *port, hop netip.Addr, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !s.Addr.Is4() {
		return nil, hop, fmt.Errorf("solicit %v: %w, want an IPv4 address", s.Addr, ErrInvalid)
	}
	if s.Addr.IsLoopback() {
		return nil, hop, fmt.Errorf("solicit %v: %w: it is this machine's", s.Addr, ErrInvalid)
	}
	var through *port
	for _, q := range a.ports() {
		if s.Port != "" && q.name != s.Port || s.Port == "" && !q.enabled.Load() {
			continue
		}
		if q.address.Contains(s.Addr) {
			p, hop = q, s.Addr
		} else if q.gateway.IsValid() {
			through = q
		}
	}
	if s.Port != "" {
		if _, err := a.port(s.Port); err != nil {
			return nil, hop, err
		}
	}
	if p == nil && through != nil && s.Gateway {
		p, hop = through, through.gateway
	}
	switch {
	case p == nil && through != nil:
		return nil, hop, fmt.Errorf("solicit %v: %w: it is reached by the gateway %v only; ask for that (-g)",
			s.Addr, ErrRefused, through.gateway)
	case p == nil:
		return nil, hop, fmt.Errorf("solicit %v: %w: no route to it leads through an oob port", s.Addr, ErrRefused)
	case !p.enabled.Load():
		return nil, hop, fmt.Errorf("%s: %w", p.name, ErrNotOob)
	case !a.devices[p.dev].up:
		return nil, hop, fmt.Errorf("%s: %w", p.name, ErrDown)
	case hop == p.address.Addr():
		return nil, hop, fmt.Errorf("solicit %v: %w: it is the address of %s itself", hop, ErrInvalid, p.name)
	}
	return p, hop, nil
}

// enter makes a neighbour known to the oob stage; one that is permanent survives the port's going down and up.
func (p *port) enter(addr netip.Addr, mac [6]byte, permanent bool) error {
	if err := neigh.Set(p.id(), addr, mac, permanent); err != nil {
		if errors.Is(err, neigh.ErrFull) {
			return fmt.Errorf("%s: %w: %w", p.name, ErrRefused, err)
		}
		return fmt.Errorf("%s: %w: %w", p.name, ErrInvalid, err)
	}
	if permanent {
		p.static[addr] = mac
	}
	return nil
}

// addVia adds a route through a gateway.
func (a *Admin) addVia(t neigh.Table) error {
	for i := range a.via {
		if a.via[i].Prefix == t.Prefix {
			a.via[i] = t
			return a.route()
		}
	}
	a.via = append(a.via, t)
	if err := a.route(); err != nil {
		a.via = a.via[:len(a.via)-1]
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return nil
}

// Learned is for what in-band learns of a neighbour, or forgets. It takes no lock of this package under which anything waits. followed says that
// the front cache has it as in-band has: a permanent entry stays as it is, and that another than it says answers for the address is
// a conflict. That is an error the first time for each address, that the cache is full the first time.
func (a *Admin) Learned(dev int, vid uint16, addr netip.Addr, mac [6]byte, gone bool) (followed bool, err error) {
	if dev < 0 {
		return false, nil
	}
	p := a.byID(neigh.PortOf(uint32(dev), uint32(vid)))
	switch {
	case p == nil:
		return false, nil
	case gone:
		neigh.Forget(p.id(), addr)
		return false, nil
	case !p.live.Load():
		return false, nil
	}
	err = neigh.Set(p.id(), addr, mac, false)
	if e, ok := neigh.Find(p.id(), addr); ok && e.Permanent { // as it was
		if e.MAC != mac && p.conflict(addr, mac) == 1 {
			return false, fmt.Errorf("%s: %v is at %s by a permanent entry, but %s says that it is its address", p.name, addr, macText(e.MAC), macText(mac))
		}
		return false, nil
	}
	if err != nil {
		if errors.Is(err, neigh.ErrFull) && p.full.Swap(true) {
			err = nil
		}
		return false, err
	}
	if !p.live.Load() { // and what took it down has purged the cache, maybe before
		neigh.Forget(p.id(), addr)
		return false, nil
	}
	return true, nil
}

// SetNeighbour makes mac a port's permanent neighbour at addr.
func (a *Admin) SetNeighbour(name string, addr netip.Addr, mac [6]byte) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	p, err := a.port(name)
	switch {
	case err != nil:
		return err
	case !p.enabled.Load():
		return fmt.Errorf("%s: %w", name, ErrNotOob)
	case p.loop:
		return fmt.Errorf("%s: neighbour %v: %w: nobody else is on the loopback port", name, addr, ErrInvalid)
	case !p.address.Contains(addr) || addr == p.address.Addr():
		return fmt.Errorf("%s: neighbour %v: %w, want another host of its network %v", name, addr, ErrInvalid, p.address.Masked())
	}
	if why := gateway.CheckAddress(netip.PrefixFrom(addr, p.address.Bits())); why != "" {
		return fmt.Errorf("%s: neighbour %v: %w: %s", name, addr, ErrInvalid, why)
	}
	if err := p.enter(addr, mac, true); err != nil {
		return err
	}
	a.forget(p, addr) // whoever is still heard there speaks anew
	return nil
}

// RemoveNeighbour takes a neighbour out of a port's front cache, a permanent one, too; of a port that is off, one that would be there when the
// port is on.
func (a *Admin) RemoveNeighbour(name string, addr netip.Addr) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	p, err := a.port(name)
	if err != nil {
		return err
	}
	_, static := p.static[addr]
	if !neigh.Remove(p.id(), addr) && !static {
		return fmt.Errorf("%s: neighbour %v: %w: the front cache has none", name, addr, ErrUnknown)
	}
	delete(p.static, addr)
	a.forget(p, addr)
	return nil
}

// forget makes in-band ask anew for a neighbour, or with the zero value for all of a port.
func (a *Admin) forget(p *port, addr netip.Addr) {
	if a.hooks.Forget != nil && !p.loop {
		a.hooks.Forget(p.dev, p.vid, addr)
	}
}

// Flush takes all neighbours that are not permanent out of the front cache, and the routes through gateways, and returns how many.
// In-band asks anew for them, too.
func (a *Admin) Flush() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	gone := neigh.Flush()
	n := len(gone) + len(a.via)
	for _, e := range gone {
		if p := a.byID(e.Port); p != nil {
			a.forget(p, e.Addr)
		}
	}
	a.via = nil
	_ = a.route() // less than there were
	return n
}

// Neighbours returns the front cache: of one port, or with "" of all.
func (a *Admin) Neighbours(name string) ([]Neighbour, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if name != "" {
		if _, err := a.port(name); err != nil {
			return nil, err
		}
	}
	list := []Neighbour{}
	for _, e := range neigh.List() {
		if p := a.byID(e.Port); p != nil && (name == "" || p.name == name) {
			list = append(list, Neighbour{Port: p.name, Address: e.Addr, MAC: macText(e.MAC), Permanent: e.Permanent})
		}
	}
	return list, nil
}

// Routes returns the routes of the oob stage.
func (a *Admin) Routes() []Route {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := []Route{}
	for _, t := range neigh.RouteList() {
		r := Route{Prefix: t.Prefix}
		if p := a.byID(t.Port); p != nil {
			r.Port = p.name
		}
		if t.Gateway.IsValid() {
			r.Gateway = t.Gateway.String()
		}
		list = append(list, r)
	}
	return list
}

// Conflict is another host with an address of ours, or with one that a permanent entry says is somebody else's.
type Conflict struct {
	Port    string     `json:"port"`
	Address netip.Addr `json:"address"`
	MAC     string     `json:"mac"` // whose it was last
	Seen    uint64     `json:"seen"`
}

// Conflicted is for what the oob stage tells of an address conflict. It returns how often that port has had one.
func (a *Admin) Conflicted(dev uint32, vid uint16, addr netip.Addr, mac [6]byte) uint64 {
	p := a.byID(neigh.PortOf(dev, uint32(vid)))
	if p == nil {
		return 0
	}
	return p.conflict(addr, mac)
}

func (p *port) conflict(addr netip.Addr, mac [6]byte) uint64 {
	p.conflicts.Add(1)
	return p.claims.add(Conflict{Port: p.name, Address: addr, MAC: macText(mac)})
}

// claims are the conflicts of a port, by address: its own, and those of permanent entries.
type claims struct {
	sync.Mutex
	of map[netip.Addr]Conflict
}

// add notes a conflict, and returns how often it has been seen. Beyond as many addresses as there may be neighbours, others are counted only.
func (c *claims) add(n Conflict) uint64 {
	c.Lock()
	defer c.Unlock()
	n.Seen = c.of[n.Address].Seen + 1
	if c.of == nil {
		c.of = map[netip.Addr]Conflict{}
	}
	if n.Seen > 1 || len(c.of) <= neigh.Neighbours {
		c.of[n.Address] = n
	}
	return n.Seen
}

func (c *claims) list() []Conflict {
	c.Lock()
	defer c.Unlock()
	return slices.SortedFunc(maps.Values(c.of), func(a, b Conflict) int { return a.Address.Compare(b.Address) })
}

// Conflicts returns the address conflicts that there have been.
func (a *Admin) Conflicts() []Conflict {
	list := []Conflict{}
	for _, p := range a.ports() {
		list = append(list, p.claims.list()...)
	}
	return list
}

func macText(m [6]byte) string {
	return fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5])
}

package demo

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"mortise/tools/qemu"
)

const (
	pingPeriod  = 20 * time.Millisecond // in-band answers in a millisecond or so when idle
	httpTimeout = 10 * time.Second      // a connection attempt on a loaded guest
	loadWorkers = 4                     // half of them open a connection for each request
	// collectionsMetric counts garbage collections on the status page.
	collectionsMetric = "mortise_gc_cycles_total"
)

// loadPaths are what the load asks for: both pages are made anew for each request.
var loadPaths = []string{"", "metrics"}

// inbandPeer speaks UDP and HTTP to the in-band services, through the emulator's user network.
type inbandPeer struct {
	flow       inbandFlow
	id         uint8 // of the flow
	http, echo string
	phase      atomic.Uint32 // NumPhases: the probes count in none
	requests   atomic.Int64
	errors     atomic.Int64
	gcs        atomic.Int64
	kept       http.Client // keeps its connections
	fresh      http.Client // opens one for each request
}

func newInbandPeer(f inbandFlow, id uint8) (*inbandPeer, error) {
	p := &inbandPeer{flow: f, id: id}
	var err error
	if p.http, err = freePort("tcp", "8080"); err != nil {
		return nil, err
	}
	if p.echo, err = freePort("udp"); err != nil {
		return nil, err
	}
	p.gcs.Store(-1)
	p.kept = http.Client{Timeout: httpTimeout, Transport: &http.Transport{MaxIdleConnsPerHost: loadWorkers}}
	p.fresh = http.Client{Timeout: httpTimeout, Transport: &http.Transport{DisableKeepAlives: true}}
	return p, nil
}

// network is the device's cable: nothing of the guest's gets out, and only these two services are reached.
func (p *inbandPeer) network() qemu.User {
	guest := func(port uint16) string { return netip.AddrPortFrom(p.flow.target, port).String() }
	return qemu.User{Restricted: true, Forward: []qemu.Forward{
		{Protocol: "tcp", Host: p.http, Guest: guest(p.flow.status)},
		{Protocol: "udp", Host: p.echo, Guest: guest(p.flow.echo)},
	}}
}

func (p *inbandPeer) url() string { return "http://" + p.http + "/" }

// wait asks for the status page until it comes.
func (p *inbandPeer) wait(ctx context.Context, ended <-chan struct{}) error {
	for {
		err := p.get(ctx, &p.fresh, "metrics")
		if err == nil {
			return nil
		}
		select {
		case <-ended:
			return errors.New("the machine ended")
		case <-ctx.Done():
			return err
		case <-time.After(resolvePeriod):
		}
	}
}

// get reads a page and what it says of garbage collections.
func (p *inbandPeer) get(ctx context.Context, client *http.Client, path string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url()+path, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", request.URL, response.Status)
	}
	if n, ok := findMetric(response.Body, collectionsMetric); ok {
		p.gcs.Store(n)
	}
	_, err = io.Copy(io.Discard, response.Body)
	return err
}

// findMetric reads r up to the sample called name, in the Prometheus text format.
func findMetric(r io.Reader, name string) (int64, bool) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		value, ok := strings.CutPrefix(lines.Text(), name+" ")
		if !ok {
			continue
		}
		n, err := strconv.ParseFloat(value, 64)
		return int64(n), err == nil
	}
	return 0, false
}

// ping sends echo requests until ctx is done.
func (p *inbandPeer) ping(ctx context.Context) error {
	conn, err := net.Dial("udp", p.echo)
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	defer conn.Close()
	wg.Go(func() { io.Copy(io.Discard, conn) }) // the replies are seen in the capture
	ticker := time.NewTicker(pingPeriod)
	defer ticker.Stop()
	for seq := uint32(0); ; seq++ {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		pr := probe{flow: p.id, phase: Phase(p.phase.Load()), seq: seq}
		if _, err := conn.Write(pr.payload()); err != nil {
			return fmt.Errorf("in-band peer: %w", err)
		}
	}
}

// load keeps in-band busy until stop is called, which waits for the requests that are under way.
func (p *inbandPeer) load(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	for i := range loadWorkers {
		client := &p.kept
		if i%2 == 1 {
			client = &p.fresh
		}
		wg.Go(func() {
			for n := i; ctx.Err() == nil; n++ {
				err := p.get(ctx, client, loadPaths[n%len(loadPaths)])
				if ctx.Err() != nil {
					return
				}
				p.requests.Add(1)
				if err != nil {
					p.errors.Add(1)
				}
			}
		})
	}
	return func() {
		cancel()
		wg.Wait()
	}
}

func (p *inbandPeer) loaded() Load {
	return Load{
		Requests: int(p.requests.Load()), Errors: int(p.errors.Load()), Collections: int(p.gcs.Load()),
	}
}

func (p *inbandPeer) close() {
	p.kept.CloseIdleConnections()
}

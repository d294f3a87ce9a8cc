package oob

import (
	"strings"
	"testing"

	"mortise/stack/filter"
	"mortise/stack/wire/wiretest"
)

func TestConfigureErrors(t *testing.T) {
	b := newBench(t)
	for _, tc := range []struct {
		name string
		edit func(d *DeviceConfig)
		want string
	}{
		{"VID 1", func(d *DeviceConfig) { d.Ports[5].VID = 1 }, "VLAN ID"},
		{"VID 4095", func(d *DeviceConfig) { d.Ports[5].VID = 4095 }, "VLAN ID"},
		{"VID 5000", func(d *DeviceConfig) { d.Ports[5].VID = 5000 }, "VLAN ID"},
		{"two untagged ports", func(d *DeviceConfig) { d.Ports[5].VID = 0 }, "same VLAN ID"},
		{"two ports on a VLAN", func(d *DeviceConfig) { d.Ports[6] = d.Ports[5] }, "same VLAN ID"},
		{"multicast address", func(d *DeviceConfig) { d.Ports[5].Addr[0] = 224 }, "no host address"},
		{"loopback address", func(d *DeviceConfig) { d.Ports[5].Addr[0] = 127 }, "no host address"},
		{"network 0", func(d *DeviceConfig) { d.Ports[5].Addr[0] = 0 }, "no host address"},
		{"prefix 0", func(d *DeviceConfig) { d.Ports[5].Prefix = 0 }, "prefix length"},
		{"prefix 33", func(d *DeviceConfig) { d.Ports[5].Prefix = 33 }, "prefix length"},
		{"network address", func(d *DeviceConfig) { d.Ports[5].Addr[3] = 0 }, "first or last"},
		{"broadcast address", func(d *DeviceConfig) { d.Ports[5].Addr[3] = 255 }, "first or last"},
		{"no MAC", func(d *DeviceConfig) { d.MAC = [6]byte{} }, "MAC address"},
		{"group MAC", func(d *DeviceConfig) { d.MAC[0] |= 1 }, "MAC address"},
	} {
		c := siteConfig(b.site)
		tc.edit(&c.Device[1])
		if err := Configure(c, unpublished); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: Configure = %v, want an error with %q", tc.name, err, tc.want)
		}
	}
	// A refused configuration changes nothing.
	request, reply := wiretest.Echo(b.site.VFrom(), 4000, nil)
	if action, _ := b.deliver(t, 1, request); action != Reply|uint32(len(reply)) {
		t.Errorf("Deliver after refused configurations = %#x, want an answer", action)
	}
}

// TestConfigureReplaces: what a configuration does not have is gone, counters stay.
func TestConfigureReplaces(t *testing.T) {
	b := newBench(t)
	request, _ := wiretest.Echo(b.site.From(), 4000, nil)
	tagged, _ := wiretest.Echo(b.site.VFrom(), 4000, nil)
	b.deliver(t, 0, request)
	before := Snapshot(0)
	c := siteConfig(b.site)
	c.Device[0].Ports[5] = PortConfig{}
	c.Device[0].Ports[2].UDP.Remove(7, 7)
	if err := Configure(c, unpublished); err != nil {
		t.Fatal(err)
	}
	if got := Snapshot(0); got != before {
		t.Errorf("Configure moved counters: %v", moved(before, got))
	}
	for _, f := range [][]byte{request, tagged} {
		if action, _ := b.deliver(t, 0, f); action != Inband {
			t.Errorf("Deliver(%x) = %#x, want %#x", f, action, Inband)
		}
	}
}

// TestPointToPoint: the network of a /31 has two hosts and no broadcast (RFC 3021).
func TestPointToPoint(t *testing.T) {
	b := newBench(t)
	c := siteConfig(b.site)
	c.Device[1] = DeviceConfig{} // its /24 would refuse 10.0.0.0
	c.Device[0].Ports[2].Prefix = 31
	if err := Configure(c, unpublished); err != nil {
		t.Fatal(err)
	}
	h := b.site.From()
	h.SrcIP, h.DstIP = [4]byte{10, 0, 0, 0}, [4]byte{10, 0, 0, 1}
	request, reply := wiretest.Echo(h, 4000, nil)
	if action, _ := b.deliver(t, 0, request); action != Reply|uint32(len(reply)) {
		t.Errorf("Deliver = %#x, want an answer", action)
	}
}

// unpublished is for tests that ask DeviceAt for each frame.
func unpublished(uint32, Device) {}

// A configuration replaces the one in use device by device, each in one word; what is counted stays.
func TestConfigureLive(t *testing.T) {
	b := newBench(t)
	for round := range 4 {
		c := siteConfig(b.site)
		if round%2 != 0 {
			c.Device[0].Ports[2].UDP = filter.PortSet{}
		}
		old := DeviceAt(0)
		before := Snapshot(0)
		published := map[uint32]Device{}
		if err := Configure(c, func(dev uint32, d Device) { published[dev] = d }); err != nil {
			t.Fatal(err)
		}
		if len(published) != Devices || published[0] == old || published[0] != DeviceAt(0) {
			t.Fatalf("round %d: published %v, was %#x, DeviceAt(0) = %#x", round, published, old, DeviceAt(0))
		}
		if Snapshot(0) != before {
			t.Errorf("round %d: counters changed by Configure", round)
		}
		want := UDPEcho
		if round%2 != 0 {
			want = InbandUDPPort
		}
		request, _ := wiretest.Echo(b.site.From(), 40000, wiretest.Payload(8, 1))
		copy(b.all[frameAt:], request)
		deliverAnswered(0, b.memory.Frame(slot), uint32(len(request)))
		if after := Snapshot(0); after[want] != before[want]+1 || after[Received] != before[Received]+1 {
			t.Errorf("round %d: %s = %d, want %d", round, CounterNames[want], after[want], before[want]+1)
		}
	}
}

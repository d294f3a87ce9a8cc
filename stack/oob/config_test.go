package oob

import (
	"strings"
	"testing"

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
		if err := Configure(c); err == nil || !strings.Contains(err.Error(), tc.want) {
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
	if err := Configure(c); err != nil {
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
	if err := Configure(c); err != nil {
		t.Fatal(err)
	}
	h := b.site.From()
	h.SrcIP, h.DstIP = [4]byte{10, 0, 0, 0}, [4]byte{10, 0, 0, 1}
	request, reply := wiretest.Echo(h, 4000, nil)
	if action, _ := b.deliver(t, 0, request); action != Reply|uint32(len(reply)) {
		t.Errorf("Deliver = %#x, want an answer", action)
	}
}

package latency

import (
	"strings"
	"testing"
	"time"

	"mortise/tools/bench/plugin"
	"mortise/tools/qemu"
)

func TestRefine(t *testing.T) {
	boot, err := time.Parse("2006-01-02T15:04:05", qemu.BootTime)
	if err != nil {
		t.Fatal(err)
	}
	p := testPeer(0)
	request := p.request(testGuest, payload(measured, 1, requestPayload))
	tests := []struct {
		name   string
		at     []int64 // frames of the guest's, in microseconds
		stores []int64 // in nanoseconds
		want   []int64 // nanoseconds beyond the microsecond
		err    string
	}{
		{"one each", []int64{5, 9}, []int64{5056, 9992}, []int64{56, 992}, ""},
		{"a store that sent nothing", []int64{5, 9}, []int64{5056, 7000, 9992}, []int64{56, 992}, ""},
		{"one store for two", []int64{5, 5, 9}, []int64{5056, 9992}, []int64{56, 56, 992}, ""},
		{"two in a microsecond", []int64{5, 5}, []int64{5056, 5600}, []int64{56, 600}, ""},
		{"none", []int64{5, 9}, []int64{5056}, nil, "frame 4"},
		{"none in time", []int64{5}, []int64{6000}, nil, "frame 2"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var records []Record
			for _, at := range test.at {
				records = append(records, record(boot.UnixMicro()+at, request),
					record(boot.UnixMicro()+at, echo(request)))
			}
			var stores []plugin.Store
			for _, ns := range test.stores {
				stores = append(stores, plugin.Store{NS: ns})
			}
			err := refine(records, stores, bySelf)
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Errorf("refine: %v, want %q", err, test.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			for i, want := range test.want {
				if got := records[2*i+1].NS; got != want || records[2*i].NS != 0 {
					t.Errorf("frame %d: %d ns, its request %d, want %d and 0", i, got, records[2*i].NS, want)
				}
			}
		})
	}
}

// TestAgree has the plugin's longest activation be one that the stage took, too.
func TestAgree(t *testing.T) {
	for _, c := range []struct {
		plugin, stage, bound int64
		ok                   bool
	}{
		{700, 8000, 9000, true}, {8012, 8000, 9000, true}, {8013, 8000, 9000, false},
		{0, 8000, 9000, true}, // without a plugin
		{700, 0, 0, true},     // a guest without a stage
	} {
		r := &Result{Activations: Activations{1, 1, c.plugin}, Longest: LongestActivation{c.stage, c.bound}}
		if err := r.agree(); (err == nil) != c.ok {
			t.Errorf("plugin %d, stage %d: %v, want ok %v", c.plugin, c.stage, err, c.ok)
		}
	}
}

// TestActivations counts those from the first request to the last reply.
func TestActivations(t *testing.T) {
	const second = 1_000_000 // in microseconds
	records := []Record{record(bootMicroS()+3*second, nil)}
	samples := []Sample{{AtMicroS: 1 * second, LatencyNS: 2912}, {AtMicroS: 2 * second, LatencyNS: 2912}}
	all := []plugin.Activation{
		{NS: 0, Instructions: 900}, // none of its stores was to the interrupt controller
		{NS: 3_999_999_999, Instructions: 800},
		{NS: 4_000_000_064, Instructions: 754},
		{NS: 4_500_000_000, Instructions: 542},
		{NS: 5_000_000_064, Instructions: 755},
		{NS: 5_000_002_913, Instructions: 700},
	}
	if got, want := activations(all, records, samples), (Activations{3, 754, 755}); got != want {
		t.Errorf("activations = %+v, want %+v", got, want)
	}
	if got := activations(nil, records, samples); got != (Activations{}) {
		t.Errorf("activations of none = %+v", got)
	}
}

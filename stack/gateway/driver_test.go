package gateway

import "testing"

// A device has the oob-capable driver if there is one and the file does not say otherwise; oob ports are on any.
func TestDriver(t *testing.T) {
	board := &Board{Name: "b", Controllers: []Controller{
		{Name: "BOTH", OobCapable: true, Stock: true}, {Name: "OOB", OobCapable: true}, {Name: "OTHER"},
	}}
	for _, c := range []struct {
		controller, driver string
		stock              bool
	}{
		{"BOTH", "", false}, {"BOTH", "enet", false}, {"BOTH", "stock", true},
		{"OOB", "", false}, {"OOB", "enet", false}, {"OTHER", "", true}, {"OTHER", "stock", true},
	} {
		text := "[device.rt0]\ncontroller = \"" + c.controller + "\"\naddress = \"10.0.0.1/24\"\noob = {}\n"
		if c.driver != "" {
			text += "driver = \"" + c.driver + "\"\n"
		}
		config, err := Parse("x", []byte(text), board)
		if err != nil {
			t.Errorf("%s, driver %q: %v", c.controller, c.driver, err)
			continue
		}
		tables, err := config.Tables([]byte("seed"), nil)
		if err != nil {
			t.Fatal(err)
		}
		if d := tables.Devices[0]; d.Stock != c.stock || !d.Diverted {
			t.Errorf("%s, driver %q: stock %v, diverted %v, want %v and diverted", c.controller, c.driver, d.Stock, d.Diverted, c.stock)
		}
	}
}

// What notes the times of a device's frames is off unless the file says something that the device's driver can.
func TestTimestamps(t *testing.T) {
	board := &Board{Name: "b", Controllers: []Controller{{Name: "C", OobCapable: true, Stock: true}}}
	for _, c := range []struct {
		lines string
		want  Timestamps
		err   string
	}{
		{"", NoTimestamps, ""},
		{"timestamps = \"off\"", NoTimestamps, ""},
		{"timestamps = \"software\"", SoftwareTimestamps, ""},
		{"timestamps = \"hardware\"", HardwareTimestamps, ""},
		{"driver = \"stock\"\ntimestamps = \"software\"", SoftwareTimestamps, ""},
		{"timestamps = \"on\"", "", `x:4: device.rt0.timestamps: found "on", expected "off" or "software" or "hardware"`},
		{"timestamps = true", "", `x:4: device.rt0.timestamps: found true, expected "off" or "software" or "hardware"`},
		{"timestamps = \"hardware\"\ndriver = \"stock\"", "",
			`x:4: device.rt0.timestamps: found "hardware", expected "off" or "software" with a stock driver`},
	} {
		text := "[device.rt0]\ncontroller = \"C\"\naddress = \"10.0.0.1/24\"\n" + c.lines + "\n"
		config, err := Parse("x", []byte(text), board)
		if c.err != "" {
			if err == nil || err.Error() != c.err {
				t.Errorf("%s: %v, want %s", c.lines, err, c.err)
			}
			continue
		}
		if err != nil || config.Devices[0].Timestamps != c.want {
			t.Errorf("%s: %v, %v, want %q", c.lines, config, err, c.want)
			continue
		}
		if tables, err := config.Tables([]byte("seed"), nil); err != nil || tables.Devices[0].Timestamps != c.want {
			t.Errorf("%s: tables: %v", c.lines, err)
		}
	}
}

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

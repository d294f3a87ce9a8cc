package gateway

// Fields that the design has and this version does not: what each is for. They are refused by name. docs/config.md says
// the same, and a test compares the two.

var plannedTop = map[string]string{
	"mirror":  "a flow mirrored to the oob stage for comparison",
	"task":    "parameters of real-time tasks",
	"route":   "in-band routes beside the default gateway",
	"nat":     "address translation between in-band ports",
	"dns":     "name resolution",
	"ntp":     "time from NTP servers",
	"ptp":     "time from IEEE 1588",
	"ssh":     "console over SSH",
	"api":     "HTTPS interface",
	"syslog":  "log to a syslog server",
	"capture": "live capture",
}

var plannedStatus = map[string]string{
	"tls":     "HTTPS for the status page",
	"devices": "a status page on some devices only",
}

var plannedDevice = map[string]string{
	"tag":       "802.1ad (QinQ) tags",
	"mtu":       "another MTU than 1500",
	"dhcp":      "an address from a DHCP server",
	"addresses": "more than one address",
	"shape":     "transmit shaping, gate list, launch time",
	"inband":    "limits for in-band traffic",
}

var plannedVLAN = map[string]string{
	"tag":       "802.1ad (QinQ) tags",
	"pcp":       "priority of frames sent",
	"dhcp":      "an address from a DHCP server",
	"addresses": "more than one address",
}

var plannedOob = map[string]string{
	"services":  "services by name: echo is on wherever UDP port 7 is accepted",
	"ethertype": "other protocols than IPv4 and ARP",
}

var plannedRule = map[string]string{
	"verdict":   "another verdict than accept",
	"vlan":      "rules on VLAN IDs",
	"pcp":       "rules on priorities",
	"ethertype": "rules on EtherTypes",
	"source":    "rules on source addresses",
	"address":   "rules on destination addresses",
	"police":    "rate and burst of what a rule accepts",
}

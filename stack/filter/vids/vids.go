// Package vids reads and writes sets of VLAN IDs as text: "42-45,100", the list syntax of `evl net` and of gateway.toml.
//
// Stage: in-band. Follows: IEEE 802.1Q-2018 Table 9-2 (reserved VIDs). Does not support: open ranges.
package vids

import (
	"fmt"
	"strconv"
	"strings"

	"mortise/stack/filter"
)

// Check returns an error that says why a port or a rule cannot have the VLAN ID vid.
func Check(vid int) error {
	switch {
	case vid == 0:
		return fmt.Errorf("VLAN ID 0 marks a priority tag, not a VLAN: want 2 to %d", filter.MaxVID-1)
	case vid == 1:
		return fmt.Errorf("VLAN ID 1 is the default VLAN of bridges: want 2 to %d", filter.MaxVID-1)
	case vid == filter.MaxVID:
		return fmt.Errorf("VLAN ID %d is reserved: want 2 to %d", vid, filter.MaxVID-1)
	case vid < 0, vid > filter.MaxVID:
		return fmt.Errorf("%d is no VLAN ID: want 2 to %d", vid, filter.MaxVID-1)
	}
	return nil
}

// Parse reads a list of VLAN IDs and ranges. Spaces around items are allowed; an empty list is the empty set; 0, 1 and
// 4095 are refused, in ranges too.
func Parse(list string) (filter.VIDSet, error) {
	var set filter.VIDSet
	if strings.TrimSpace(list) == "" {
		return set, nil
	}
	for item := range strings.SplitSeq(list, ",") {
		first, last, err := parseItem(strings.TrimSpace(item))
		if err != nil {
			return filter.VIDSet{}, fmt.Errorf("VLAN list %q: %w", list, err)
		}
		for vid := first; vid <= last; vid++ {
			set.Add(uint16(vid))
		}
	}
	return set, nil
}

// Format returns set as Parse reads it, in order and by the longest ranges.
func Format(set *filter.VIDSet) string {
	var items []string
	for vid := 0; vid <= filter.MaxVID; vid++ {
		if !set.Has(uint16(vid)) {
			continue
		}
		first := vid
		for vid < filter.MaxVID && set.Has(uint16(vid+1)) {
			vid++
		}
		item := strconv.Itoa(first)
		if vid > first {
			item += "-" + strconv.Itoa(vid)
		}
		items = append(items, item)
	}
	return strings.Join(items, ",")
}

// parseItem reads "42" or "42-45".
func parseItem(item string) (first, last int, err error) {
	from, to, isRange := strings.Cut(item, "-")
	if first, err = parseVID(from); err != nil {
		return 0, 0, err
	}
	if !isRange {
		return first, first, nil
	}
	if last, err = parseVID(to); err != nil {
		return 0, 0, err
	}
	if last < first {
		return 0, 0, fmt.Errorf("the range %q ends before it starts", item)
	}
	return first, last, nil
}

// parseVID reads a decimal VLAN ID that Check accepts.
func parseVID(s string) (int, error) {
	s = strings.TrimSpace(s)
	vid, err := strconv.ParseUint(s, 10, 31)
	if err != nil {
		return 0, fmt.Errorf("%q is no number: want a VLAN ID (42) or a range (42-45)", s)
	}
	return int(vid), Check(int(vid))
}

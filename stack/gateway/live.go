package gateway

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// RuleText is a forwarding rule that comes to a gateway which serves: the fields of a [[forward]] table, in one of two forms.
type RuleText struct {
	TOML string         // as between the braces of an inline table
	JSON map[string]any // decoded, numbers as json.Number or float64
}

// ParseRule reads a rule as the configuration does, with its errors, for a gateway of these devices; all can be diverted. others are the
// rules that it joins. name is what it is called if it does not say; "": rule-N, the first that is not taken.
func ParseRule(text RuleText, devices []Device, others []Forward, name string) (*Forward, error) {
	n, err := text.node()
	if err != nil {
		return nil, Errors{err}
	}
	c := &Config{Devices: slices.Clone(devices)}
	for i := range c.Devices {
		c.Devices[i].Divert = true
	}
	f := &forwarding{reader: &reader{}, c: c, devices: &node{}, names: used[[2]string]{}}
	number := 1
	for i := range others {
		f.names[[2]string{others[i].From, others[i].Name}] = "a rule that is there"
	}
	for slices.ContainsFunc(others, func(o Forward) bool { return o.Name == ruleName(number) }) {
		number++
	}
	rule := f.rule(n, number, name)
	if len(f.errs) > 0 {
		return nil, f.errs
	}
	return rule, nil
}

// ruleName is what rule number i is called that has no name.
func ruleName(i int) string { return fmt.Sprintf("rule-%d", i) }

// node returns the rule as the table that the file would have.
func (r *RuleText) node() (*node, *Error) {
	const field = "forward"
	at := place{}.child(field)
	if r.JSON != nil {
		value, err := plain(r.JSON)
		if err != nil {
			return nil, &Error{Want: err.Error()}
		}
		return newNode(field, at, value, nil), nil
	}
	root, err := parseTree("", []byte(field+" = { "+r.TOML+" }"))
	if err != nil {
		return nil, err
	}
	if len(root.kids) != 1 || !root.kids[0].isTable() {
		return nil, &Error{Want: "expected the fields of one rule"}
	}
	return root.kids[0], nil
}

// plain returns a value of JSON as TOML's decoder has it: whole numbers as int64.
func plain(v any) (any, error) {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			p, err := plain(e)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", k, err)
			}
			out[k] = p
		}
		return out, nil
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			p, err := plain(e)
			if err != nil {
				return nil, err
			}
			out[i] = p
		}
		return out, nil
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n, nil
		}
		n, err := v.Float64()
		return n, err
	case float64:
		if n := int64(v); float64(n) == v && n >= -1<<53 && n <= 1<<53 {
			return n, nil
		}
	case nil:
		return nil, errors.New("null is no value")
	}
	return v, nil
}

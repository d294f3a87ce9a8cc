package admin

import (
	"encoding/json"
	"fmt"
	"net/http"

	"mortise/stack/gateway"
)

// forwardChanges are what POST does to forwarding rules. "rule" has the fields of a [[forward]] table.
func (a *Admin) forwardChanges() map[string]func(r *http.Request, body *json.Decoder) (any, error) {
	return map[string]func(r *http.Request, body *json.Decoder) (any, error){
		"forward/add": func(_ *http.Request, body *json.Decoder) (any, error) {
			var q struct {
				Rule   map[string]any
				Before string
			}
			if err := decode(body, &q); err != nil {
				return nil, err
			}
			if q.Rule == nil {
				return nil, fmt.Errorf("forward: %w: \"rule\" is missing", ErrInvalid)
			}
			return shown(a.AddForward(gateway.RuleText{JSON: q.Rule}, q.Before))
		},
		"forward/replace": func(_ *http.Request, body *json.Decoder) (any, error) {
			var q struct {
				Device, Name string
				Rule         map[string]any
			}
			if err := decode(body, &q); err != nil {
				return nil, err
			}
			if q.Rule == nil {
				return nil, fmt.Errorf("forward: %w: \"rule\" is missing", ErrInvalid)
			}
			return shown(a.ReplaceForward(q.Device, q.Name, gateway.RuleText{JSON: q.Rule}))
		},
		"forward/remove": func(_ *http.Request, body *json.Decoder) (any, error) {
			var q struct{ Device, Name string }
			if err := decode(body, &q); err != nil {
				return nil, err
			}
			if err := a.RemoveForward(q.Device, q.Name); err != nil {
				return nil, err
			}
			return a.Forwards(q.Device)
		},
	}
}

// shown is what is answered of a rule.
func shown(r Rule, err error) (any, error) { return r, err }

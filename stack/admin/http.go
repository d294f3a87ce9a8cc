package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/netip"
	"time"

	"mortise/stack/capture"
)

// Path is where Handler's interface is.
const Path = "/api/net/"

// maxProgram is the largest body of a request with a filter program: a choice, ten times what clang makes of a large one.
const maxProgram = 512 << 10

// maxRequest is the largest body of a request in bytes: a choice, twenty times what the longest needs.
const maxRequest = 8 << 10

// Handler serves the same as the commands do, as JSON: GET tells, POST changes. Without control, POST is refused. What is wrong
// with a request is told as {"error": "…"} with a status from 400 on, and changes nothing.
func (a *Admin) Handler(control bool) http.Handler {
	mux := http.NewServeMux()
	for pattern, f := range a.readings() {
		mux.HandleFunc("GET "+Path+pattern, func(w http.ResponseWriter, r *http.Request) {
			v, err := f(r)
			answer(w, v, err)
		})
	}
	changes := a.changes()
	maps.Copy(changes, a.forwardChanges())
	for name, f := range changes {
		mux.HandleFunc("POST "+Path+name, func(w http.ResponseWriter, r *http.Request) {
			if !control {
				fail(w, http.StatusForbidden, errors.New("the configuration does not allow changes: status.control"))
				return
			}
			// What a web page of somebody else may send from a browser has another type.
			if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
				fail(w, http.StatusUnsupportedMediaType, errors.New("want Content-Type: application/json"))
				return
			}
			limit := int64(maxRequest)
			if name == "filter" {
				limit = maxProgram
			}
			v, err := f(r, json.NewDecoder(http.MaxBytesReader(w, r.Body, limit)))
			answer(w, v, err)
		})
	}
	return mux
}

// readings are what GET tells.
func (a *Admin) readings() map[string]func(r *http.Request) (any, error) {
	return map[string]func(r *http.Request) (any, error){
		"ports":                   func(*http.Request) (any, error) { return a.Ports(), nil },
		"ports/{name}":            func(r *http.Request) (any, error) { return a.Port(r.PathValue("name")) },
		"devices":                 func(*http.Request) (any, error) { return a.Devices(), nil },
		"devices/{name}":          func(r *http.Request) (any, error) { return a.Device(r.PathValue("name")) },
		"neighbours":              func(r *http.Request) (any, error) { return a.Neighbours(r.FormValue("port")) },
		"routes":                  func(*http.Request) (any, error) { return a.Routes(), nil },
		"sockets":                 func(*http.Request) (any, error) { return a.Sockets(), nil },
		"conflicts":               func(*http.Request) (any, error) { return a.Conflicts(), nil },
		"forward":                 func(r *http.Request) (any, error) { return a.Forwards(r.FormValue("device")) },
		"forward/{device}/{name}": func(r *http.Request) (any, error) { return a.Forward(r.PathValue("device"), r.PathValue("name")) },
		"filters":                 func(*http.Request) (any, error) { return a.Filters(), nil },
		"filters/{name}":          func(r *http.Request) (any, error) { return a.Filter(r.PathValue("name")) },
		"captures":                func(*http.Request) (any, error) { return a.CaptureList(), nil },
		"explain": func(r *http.Request) (any, error) {
			frame, err := ParseFrame(r.FormValue("frame"))
			if err != nil {
				return nil, err
			}
			return a.Explain(r.FormValue("device"), frame)
		},
	}
}

// changes are what POST does.
func (a *Admin) changes() map[string]func(r *http.Request, body *json.Decoder) (any, error) {
	return map[string]func(r *http.Request, body *json.Decoder) (any, error){
		"enable": func(_ *http.Request, body *json.Decoder) (any, error) {
			var q struct {
				Port, Address string
				Pool, Buffer  *int
			}
			if err := decode(body, &q); err != nil {
				return nil, err
			}
			pool := 0
			if q.Pool != nil {
				if pool = *q.Pool; pool == 0 {
					return nil, fmt.Errorf("a pool of 0 buffers: %w", ErrInvalid)
				}
			}
			buffer := 0
			if q.Buffer != nil {
				if buffer = *q.Buffer; buffer == 0 {
					return nil, fmt.Errorf("buffers of 0 bytes: %w", ErrInvalid)
				}
			}
			if err := a.enableOrMake(q.Port, q.Address, pool, buffer); err != nil {
				return nil, err
			}
			return a.Port(q.Port)
		},
		"disable": func(_ *http.Request, body *json.Decoder) (any, error) {
			var q struct{ Port string }
			if err := decode(body, &q); err != nil {
				return nil, err
			}
			held, err := a.Disable(q.Port)
			if err != nil {
				return nil, err
			}
			p, err := a.Port(q.Port)
			if err != nil { // it was made at run time
				return map[string]any{"name": q.Port, "gone": true, "held": held}, nil
			}
			return p, nil
		},
		"divert": func(_ *http.Request, body *json.Decoder) (any, error) {
			var q struct {
				Device string
				On     *bool
			}
			if err := decode(body, &q); err != nil {
				return nil, err
			}
			if q.On == nil {
				return nil, fmt.Errorf("divert: %w: \"on\" is missing", ErrInvalid)
			}
			if _, err := a.Divert(q.Device, *q.On); err != nil {
				return nil, err
			}
			return a.Device(q.Device)
		},
		"vlans": func(_ *http.Request, body *json.Decoder) (any, error) {
			var q struct {
				Device string
				List   *string
			}
			if err := decode(body, &q); err != nil {
				return nil, err
			}
			if q.List == nil {
				return nil, fmt.Errorf("vlans: %w: \"list\" is missing", ErrInvalid)
			}
			if err := a.SetVLANs(q.Device, *q.List); err != nil {
				return nil, err
			}
			return a.Device(q.Device)
		},
		"filter": func(_ *http.Request, body *json.Decoder) (any, error) {
			var q struct {
				Device, Name, Function string
				Object                 []byte // base64
				Classic                string // as tcpdump -ddd prints it
				Match, Else            string
				Codes                  bool
			}
			if err := decode(body, &q); err != nil {
				return nil, err
			}
			p := Program{Name: q.Name, Content: q.Object, Function: q.Function}
			if q.Classic != "" {
				if q.Object != nil {
					return nil, fmt.Errorf("filter: %w: \"object\" or \"classic\", not both", ErrInvalid)
				}
				p.Content = []byte(q.Classic)
			}
			var err error
			if p.Returns, err = returns(q.Match, q.Else, q.Codes); err != nil {
				return nil, err
			}
			if err := a.SetFilter(q.Device, p); err != nil {
				return nil, err
			}
			return a.Filter(q.Device)
		},
		"filter/remove": func(_ *http.Request, body *json.Decoder) (any, error) {
			var q struct{ Device string }
			if err := decode(body, &q); err != nil {
				return nil, err
			}
			if err := a.RemoveFilter(q.Device); err != nil {
				return nil, err
			}
			return a.Filter(q.Device)
		},
		"capture": func(_ *http.Request, body *json.Decoder) (any, error) {
			var q struct {
				Port, Name, Rule string
				Packets, Snaplen int
			}
			if err := decode(body, &q); err != nil {
				return nil, err
			}
			if err := a.Capture(capture.Options{Name: q.Name, Port: q.Port, Packets: q.Packets, Snap: q.Snaplen, Rule: q.Rule}); err != nil {
				return nil, err
			}
			return a.CaptureState(q.Name)
		},
		"capture/stop": func(_ *http.Request, body *json.Decoder) (any, error) {
			var q struct{ Name string }
			if err := decode(body, &q); err != nil {
				return nil, err
			}
			if err := a.StopCapture(q.Name); err != nil {
				return nil, err
			}
			return a.CaptureState(q.Name)
		},
		"capture/remove": func(_ *http.Request, body *json.Decoder) (any, error) {
			var q struct{ Name string }
			if err := decode(body, &q); err != nil {
				return nil, err
			}
			if err := a.RemoveCapture(q.Name); err != nil {
				return nil, err
			}
			return a.CaptureList(), nil
		},
		"solicit": func(r *http.Request, body *json.Decoder) (any, error) {
			var q struct {
				Address            netip.Addr
				Port               string
				Permanent, Gateway bool
				TimeoutMS          int64 `json:"timeout_ms"`
			}
			if err := decode(body, &q); err != nil {
				return nil, err
			}
			if limit := MaxSolicitTimeout.Milliseconds(); q.TimeoutMS < 0 || q.TimeoutMS > limit {
				return nil, fmt.Errorf("timeout_ms %d: %w, want 1 to %d", q.TimeoutMS, ErrInvalid, limit)
			}
			return a.Solicit(r.Context(), Solicitation{
				q.Address, q.Port, q.Permanent, q.Gateway, time.Duration(q.TimeoutMS) * time.Millisecond,
			})
		},
		"neighbours": func(_ *http.Request, body *json.Decoder) (any, error) {
			var q struct {
				Port, MAC string
				Address   netip.Addr
			}
			if err := decode(body, &q); err != nil {
				return nil, err
			}
			mac, err := parseMAC(q.MAC)
			if err == nil {
				err = a.SetNeighbour(q.Port, q.Address, mac)
			}
			if err != nil {
				return nil, err
			}
			return a.Neighbours(q.Port)
		},
		"neighbours/remove": func(_ *http.Request, body *json.Decoder) (any, error) {
			var q struct {
				Port    string
				Address netip.Addr
			}
			if err := decode(body, &q); err != nil {
				return nil, err
			}
			if err := a.RemoveNeighbour(q.Port, q.Address); err != nil {
				return nil, err
			}
			return a.Neighbours(q.Port)
		},
		"neighbours/flush": func(_ *http.Request, body *json.Decoder) (any, error) {
			if err := decode(body, &struct{}{}); err != nil {
				return nil, err
			}
			return map[string]int{"forgotten": a.Flush()}, nil
		},
	}
}

// decode reads the one JSON object that a request is. What it does not ask for is refused.
func decode(body *json.Decoder, v any) error {
	body.DisallowUnknownFields()
	if err := body.Decode(v); err != nil {
		return fmt.Errorf("the request's JSON: %w: %w", ErrInvalid, err)
	}
	if _, err := body.Token(); err != io.EOF {
		return fmt.Errorf("the request's JSON: %w: more than one object", ErrInvalid)
	}
	return nil
}

// codes are the statuses of refusals.
var codes = []struct {
	err  error
	code int
}{
	{ErrUnknown, http.StatusNotFound},
	{ErrInvalid, http.StatusBadRequest},
	{ErrTimeout, http.StatusGatewayTimeout},
	{ErrDown, http.StatusConflict},
	{ErrNotOob, http.StatusConflict},
	{ErrRefused, http.StatusConflict},
}

// answer writes v, or what is wrong.
func answer(w http.ResponseWriter, v any, err error) {
	if err != nil {
		code := http.StatusInternalServerError
		for _, c := range codes {
			if errors.Is(err, c.err) {
				code = c.code
				break
			}
		}
		fail(w, code, err)
		return
	}
	write(w, http.StatusOK, v)
}

func fail(w http.ResponseWriter, code int, err error) {
	write(w, code, map[string]string{"error": err.Error()})
}

// write writes a reply that is complete before its first byte leaves.
func write(w http.ResponseWriter, code int, v any) {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil { // strings, numbers and addresses only, which it cannot refuse
		b, code = []byte(`{"error": "internal"}`), http.StatusInternalServerError
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(code)
	_, _ = w.Write(append(b, '\n'))
}

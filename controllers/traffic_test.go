// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/go-logr/logr"
	eventsv1 "k8s.io/api/events/v1"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/desired"
)

// traffic is every request that an operator sent, apart from watches.
type traffic struct {
	mu        sync.Mutex
	sent      []string
	byName    map[string][]int     // places in sent: of objects, and of reconciles of a driver
	events    []string             // what was told of whom
	saboteurs map[string]*saboteur // by driver
}

// sabotage lets a saboteur at the calls about a driver from now on. Events are not
// among them: they are sent beside the work, and nothing waits for them.
func (t *traffic) sabotage(driver string, s *saboteur) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.saboteurs == nil {
		t.saboteurs = map[string]*saboteur{}
	}
	t.saboteurs[driver] = s
}

// saboteurOf is who watches the calls of the reconcile, or about the object, of a
// request.
func (t *traffic) saboteurOf(r *http.Request) *saboteur {
	t.mu.Lock()
	defer t.mu.Unlock()
	if reconciled := reconciledBy(r); reconciled != "" {
		return t.saboteurs[reconciled]
	}
	name := nameIn(r.URL.Path)
	for driver, s := range t.saboteurs {
		names := desired.NamesOf(driver)
		if name == driver || name == names.Controller || name == names.Node {
			return s
		}
	}
	return nil
}

func (t *traffic) record(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		if r.URL.Query().Has("watch") {
			return next.RoundTrip(r)
		}
		if strings.Contains(r.URL.Path, "/events.k8s.io/") {
			t.keepEvent(r)
			return next.RoundTrip(r)
		}
		t.keep(r)
		if s := t.saboteurOf(r); s != nil && s.strike() {
			return s.answer(r, next)
		}
		return next.RoundTrip(r)
	})
}

func (t *traffic) keep(r *http.Request) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byName == nil {
		t.byName = map[string][]int{}
	}
	name, reconciled := nameIn(r.URL.Path), reconciledBy(r)
	t.byName[name] = append(t.byName[name], len(t.sent))
	if reconciled != "" && reconciled != name {
		t.byName[reconciled] = append(t.byName[reconciled], len(t.sent))
	}
	t.sent = append(t.sent, r.Method+" "+r.URL.Path)
}

// keepEvent notes an event: whom it is about, and what it tells; of one that is told once
// more, what it is called, which begins with the name of whom it is about. It is sent
// beside the work, and again seconds later if it could not be: its place among the
// requests says nothing.
func (t *traffic) keepEvent(r *http.Request) {
	note := nameIn(r.URL.Path) + ": again"
	if body, err := r.GetBody(); err == nil && r.Method == http.MethodPost {
		event := &eventsv1.Event{}
		if err := json.NewDecoder(body).Decode(event); err == nil {
			note = event.Regarding.Name + ": " + event.Reason + " " + event.Note
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.events = append(t.events, note)
}

// eventsOf are the events about a driver: those of tests before come late.
func (t *traffic) eventsOf(d *v1alpha1.CSIDriverDeployment) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(t.events), func(note string) bool {
		return !strings.HasPrefix(note, d.Name+":") && !strings.HasPrefix(note, d.Name+".")
	})
}

func (t *traffic) all() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.sent)
}

// about are, in order, the requests for objects of the given names and for their
// status, and whatever a reconcile of a driver of such a name sent: lists too.
func (t *traffic) about(names ...string) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var places []int
	for _, name := range names {
		places = append(places, t.byName[name]...)
	}
	slices.Sort(places)
	places = slices.Compact(places)
	out := make([]string, 0, len(places))
	for _, place := range places {
		out = append(out, t.sent[place])
	}
	return out
}

// nameIn is the name of the object that a request is about.
func nameIn(path string) string {
	path = strings.TrimSuffix(path, "/status")
	return path[strings.LastIndex(path, "/")+1:]
}

// reconciledBy is the driver whose reconcile sent a request, empty if none did: the
// logger that controller-runtime gives to a reconcile goes along with its requests.
func reconciledBy(r *http.Request) string {
	logger, err := logr.FromContext(r.Context())
	if err != nil {
		return ""
	}
	if sink, ok := logger.GetSink().(namedSink); ok {
		return sink.name
	}
	return ""
}

// namedSink is a sink of logs that knows the value of "name".
type namedSink struct {
	logr.LogSink
	name string
}

// named makes a logger that goes along with the requests of a driver's reconcile.
func named(logger logr.Logger, name string) logr.Logger {
	return logr.New(namedSink{LogSink: logger.GetSink(), name: name})
}

func (s namedSink) WithValues(pairs ...any) logr.LogSink {
	for i := 0; i+1 < len(pairs); i += 2 {
		if name, ok := pairs[i+1].(string); ok && pairs[i] == "name" {
			s.name = name
		}
	}
	s.LogSink = s.LogSink.WithValues(pairs...)
	return s
}

func (s namedSink) WithName(name string) logr.LogSink {
	s.LogSink = s.LogSink.WithName(name)
	return s
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

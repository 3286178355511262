// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package audit reads an API server's audit log: who asked for what, and when the
// API server was done with it, by its own clock.
package audit

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Record is one request.
type Record struct {
	User string
	Verb string
	// Resource has its subresource behind a slash; it is empty for a request that is
	// about no resource, such as discovery.
	Resource  string
	Namespace string
	// Name is empty for lists, and for a creation that was refused early.
	Name string
	// Path is what was asked for, with the query.
	Path string
	Code int
	// Done is when the answer was complete; for a watch, when it began.
	Done time.Time
}

// event holds the fields of an audit.k8s.io/v1 Event that make a Record.
type event struct {
	Stage string `json:"stage"`
	URI   string `json:"requestURI"`
	Verb  string `json:"verb"`
	User  struct {
		Username string `json:"username"`
	} `json:"user"`
	ObjectRef struct {
		Resource    string `json:"resource"`
		Subresource string `json:"subresource"`
		Namespace   string `json:"namespace"`
		Name        string `json:"name"`
	} `json:"objectRef"`
	ResponseStatus struct {
		Code int `json:"code"`
	} `json:"responseStatus"`
	StageTimestamp time.Time `json:"stageTimestamp"`
}

// parse reads one line; ok is false for one that tells of a stage which is not
// counted: a watch counts when it begins, everything else when it is over.
func parse(line []byte) (r Record, ok bool, err error) {
	var e event
	if err := json.Unmarshal(line, &e); err != nil {
		return Record{}, false, fmt.Errorf("reading a line of the audit log: %w", err)
	}
	counted := "ResponseComplete"
	if e.Verb == "watch" {
		counted = "ResponseStarted"
	}
	if e.Stage != counted {
		return Record{}, false, nil
	}
	r = Record{
		User: e.User.Username, Verb: e.Verb, Resource: e.ObjectRef.Resource, Namespace: e.ObjectRef.Namespace,
		Name: e.ObjectRef.Name, Path: e.URI, Code: e.ResponseStatus.Code, Done: e.StageTimestamp,
	}
	if e.ObjectRef.Subresource != "" {
		r.Resource += "/" + e.ObjectRef.Subresource
	}
	return r, true, nil
}

// Watch is true for what a client keeps open.
func (r Record) Watch() bool { return r.Verb == "watch" }

// Read is true for a get or a list, discovery included.
func (r Record) Read() bool { return r.Verb == "get" || r.Verb == "list" }

// Write is true for what may change something, whether it did or not.
func (r Record) Write() bool { return !r.Watch() && !r.Read() }

// Event is true for an event about an object.
func (r Record) Event() bool { return r.Resource == "events" }

// Housekeeping is true for the leader's Lease and the event that tells who became
// the leader, the only one in the old form, and for what the benchmark causes when it
// reads the operator's metrics.
func (r Record) Housekeeping() bool {
	return slices.Contains([]string{"leases", "tokenreviews", "subjectaccessreviews"}, r.Resource) ||
		r.Event() && strings.HasPrefix(r.Path, "/api/v1/")
}

// String is for messages.
func (r Record) String() string { return fmt.Sprintf("%s %s: %d", r.Verb, r.Path, r.Code) }

// Records are requests in the order in which they ended.
type Records []Record

// Where are those for which all conditions hold.
func (rs Records) Where(conditions ...func(Record) bool) Records {
	var chosen Records
	for _, r := range rs {
		if !slices.ContainsFunc(conditions, func(c func(Record) bool) bool { return !c(r) }) {
			chosen = append(chosen, r)
		}
	}
	return chosen
}

// Last is when the last of them was done; zero if there are none.
func (rs Records) Last() (last time.Time) {
	for _, r := range rs {
		if r.Done.After(last) {
			last = r.Done
		}
	}
	return last
}

// First is when the first of them was done; zero if there are none.
func (rs Records) First() (first time.Time) {
	for _, r := range rs {
		if first.IsZero() || r.Done.Before(first) {
			first = r.Done
		}
	}
	return first
}

// Not turns a condition around.
func Not(condition func(Record) bool) func(Record) bool {
	return func(r Record) bool { return !condition(r) }
}

// By chooses the requests of a user.
func By(user string) func(Record) bool {
	return func(r Record) bool { return r.User == user }
}

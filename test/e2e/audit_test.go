// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// auditedRequest is what the audit log has of one request to the API server.
type auditedRequest struct {
	User struct {
		Username string `json:"username"`
	} `json:"user"`
	UserAgent string `json:"userAgent"`
	Verb      string `json:"verb"`
	Object    *struct {
		Group       string `json:"apiGroup"`
		Resource    string `json:"resource"`
		Subresource string `json:"subresource"`
		Namespace   string `json:"namespace"`
		Name        string `json:"name"`
	} `json:"objectRef"`
	Received    time.Time         `json:"requestReceivedTimestamp"`
	Annotations map[string]string `json:"annotations"`
}

// resource is what was asked for, as a rule names it; empty for a path that is no
// resource.
func (r auditedRequest) resource() string {
	if r.Object == nil {
		return ""
	}
	return strings.TrimSuffix(r.Object.Resource+"/"+r.Object.Subresource, "/")
}

// program is who asked, beside the account that all containers of a pod share.
func (r auditedRequest) program() string {
	name, _, _ := strings.Cut(r.UserAgent, "/")
	return name
}

// denied tells whether the account lacks the right. A request can be refused for other
// reasons.
func (r auditedRequest) denied() bool {
	return r.Annotations["authorization.k8s.io/decision"] == "forbid"
}

func (r auditedRequest) String() string {
	return fmt.Sprintf("%s of %s: %s %s (%+v)", r.program(), r.User.Username, r.Verb, r.resource(), r.Object)
}

// audited are the requests of ServiceAccounts since the tests began.
func audited(t *testing.T) []auditedRequest {
	t.Helper()
	path, err := shared.nodes.print(t.Context(), "audit-log")
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatalf("reading the audit log: %v", err)
	}
	defer file.Close()
	var found []auditedRequest
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var r auditedRequest
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatalf("reading the audit log: %v", err)
		}
		if r.Received.After(shared.began) {
			found = append(found, r)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatalf("reading the audit log: %v", err)
	}
	return found
}

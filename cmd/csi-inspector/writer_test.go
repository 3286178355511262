// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/csi-operator/csi-operator/internal/inspect"
)

// deadline is when a test that waits gives up.
const deadline = 20 * time.Second

// quick retries at once.
var quick = wait.Backoff{Duration: time.Millisecond, Steps: 1}

// write is one request that an API server got.
type write struct {
	Method, Path, ContentType, FieldManager, UserAgent string
	Answer                                             inspect.Answer
}

// apiServer hands out each write before it answers it with a code of the script;
// after the script, with success.
func apiServer(t *testing.T, script ...int) (kubeconfig string, writes <-chan write) {
	t.Helper()
	got := make(chan write)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case got <- decode(t, r):
		case <-r.Context().Done():
			return
		}
		code := http.StatusOK
		if len(script) > 0 {
			code, script = script[0], script[1:]
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		if code == http.StatusOK {
			_, _ = io.WriteString(w, `{"kind":"ConfigMap","apiVersion":"v1"}`)
			return
		}
		_, _ = fmt.Fprintf(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","code":%d,"message":"not yet"}`, code)
	}))
	t.Cleanup(server.Close)
	path := filepath.Join(t.TempDir(), "kubeconfig")
	text := fmt.Sprintf(`{"clusters":[{"name":"c","cluster":{"server":%q}}],"contexts":[{"name":"c","context":{"cluster":"c"}}],"current-context":"c"}`, server.URL)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path, got
}

// decode fails unless the body is a patch of the one key, and nothing else.
func decode(t *testing.T, r *http.Request) write {
	t.Helper()
	var patch map[string]map[string]string
	var answer inspect.Answer
	if err := json.NewDecoder(r.Body).Decode(&patch); err != nil {
		t.Errorf("decoding a patch: %v", err)
	}
	if len(patch) != 1 || len(patch["data"]) != 1 {
		t.Errorf("the patch is %v, want data[%q] alone", patch, dataKey)
	}
	if err := json.Unmarshal([]byte(patch["data"][dataKey]), &answer); err != nil {
		t.Errorf("decoding an answer: %v", err)
	}
	return write{r.Method, r.URL.Path, r.Header.Get("Content-Type"), r.URL.Query().Get("fieldManager"), r.UserAgent(), answer}
}

// written is the request that writes an answer.
func written(answer inspect.Answer) write {
	return write{
		Method: http.MethodPatch, Path: "/api/v1/namespaces/ns/configmaps/answers", ContentType: "application/merge-patch+json",
		FieldManager: "csi-inspector", UserAgent: "csi-inspector/" + inspect.Version, Answer: answer,
	}
}

// wantWrite fails unless the next request writes an answer.
func wantWrite(t *testing.T, writes <-chan write, answer inspect.Answer) {
	t.Helper()
	if diff := cmp.Diff(written(answer), await(t, writes)); diff != "" {
		t.Fatalf("-want, +got:\n%s", diff)
	}
}

func await[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case value := <-from:
		return value
	case <-time.After(deadline):
		t.Fatal("waited in vain")
		panic("unreachable")
	}
}

// startWriter runs a writer. The returned function ends it and returns its log.
func startWriter(t *testing.T, kubeconfig string, answers <-chan inspect.Answer) (stop func() string) {
	t.Helper()
	configMaps, err := connect(kubeconfig, "ns")
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	w := writer{configMaps: configMaps, name: "answers", backoff: quick, log: slog.New(slog.NewTextHandler(&log, nil))}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.run(ctx, answers)
	}()
	stop = func() string {
		cancel()
		await(t, done)
		return log.String()
	}
	t.Cleanup(func() { stop() })
	return stop
}

// TestWriter writes what it is told, and goes on where it may not or cannot yet.
func TestWriter(t *testing.T) {
	one, two := inspect.Answer{Key: "k", Driver: "one"}, inspect.Answer{Key: "k", Problem: "two"}
	for name, script := range map[string][]int{
		"AtOnce":             nil,
		"NoRoleYet":          {http.StatusForbidden},
		"NoConfigMapYet":     {http.StatusNotFound, http.StatusNotFound},
		"TroubleOfTheServer": {http.StatusInternalServerError},
	} {
		t.Run(name, func(t *testing.T) {
			kubeconfig, writes := apiServer(t, script...)
			answers := make(chan inspect.Answer, 1)
			stop := startWriter(t, kubeconfig, answers)
			answers <- one
			for range len(script) + 1 {
				wantWrite(t, writes, one)
			}
			answers <- two
			wantWrite(t, writes, two)
			if got := strings.Count(stop(), `error="patching ConfigMap \"answers\": not yet"`); got != len(script) {
				t.Errorf("the log tells of %d failures, want %d", got, len(script))
			}
		})
	}
}

// TestTheNewestIsWritten: what cannot be written gives way to what is newer.
func TestTheNewestIsWritten(t *testing.T) {
	one, two := inspect.Answer{Key: "k", Driver: "one"}, inspect.Answer{Key: "k", Driver: "two"}
	kubeconfig, writes := apiServer(t, slices.Repeat([]int{http.StatusForbidden}, 100)...)
	answers := make(chan inspect.Answer, 1)
	startWriter(t, kubeconfig, answers)
	answers <- one
	wantWrite(t, writes, one)
	answers <- two
	got := await(t, writes)
	if cmp.Equal(written(one), got) { // the writer was quicker
		got = await(t, writes)
	}
	if diff := cmp.Diff(written(two), got); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}

// TestWritesAreFew, whatever the driver does.
func TestWritesAreFew(t *testing.T) {
	kubeconfig, writes := apiServer(t)
	answers := make(chan inspect.Answer, 1)
	startWriter(t, kubeconfig, answers)
	for number := range writesAtOnce {
		answer := inspect.Answer{Key: strconv.Itoa(number)}
		answers <- answer
		wantWrite(t, writes, answer)
	}
	answers <- inspect.Answer{Key: "one too many"}
	select {
	case got := <-writes:
		t.Errorf("wrote %+v at once", got.Answer)
	case <-time.After(200 * time.Millisecond):
	}
}

func TestReplace(t *testing.T) {
	answers := make(chan inspect.Answer, 1)
	for _, driver := range []string{"one", "two", "three"} {
		replace(answers, inspect.Answer{Driver: driver})
	}
	if got := await(t, answers); got.Driver != "three" {
		t.Errorf("got %q, want the newest", got.Driver)
	}
}

// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"
)

// reviewer is an API server that knows one token and allows one path.
type reviewer struct {
	broken   string // the kind of review that fails
	reviewed []string
	asked    authorizationv1.SubjectAccessReviewSpec
}

func (s *reviewer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	kind := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
	s.reviewed = append(s.reviewed, kind)
	reply, err := s.reply(kind, json.NewDecoder(r.Body))
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusCreated)
	_ = json.NewEncoder(w).Encode(reply) // a reader that is gone fails the test elsewhere
}

func (s *reviewer) reply(kind string, body *json.Decoder) (any, error) {
	switch kind {
	case s.broken:
		return nil, errors.New("out of order")
	case "tokenreviews":
		review := &authenticationv1.TokenReview{}
		if err := body.Decode(review); err != nil {
			return nil, err
		}
		if review.Spec.Token == "good" {
			review.Status = authenticationv1.TokenReviewStatus{Authenticated: true, User: authenticationv1.UserInfo{
				Username: "prometheus", UID: "7", Groups: []string{"scrapers"},
				Extra: map[string]authenticationv1.ExtraValue{"pod": {"p"}},
			}}
		}
		review.TypeMeta = metav1.TypeMeta{APIVersion: "authentication.k8s.io/v1", Kind: "TokenReview"}
		return review, nil
	default:
		review := &authorizationv1.SubjectAccessReview{}
		if err := body.Decode(review); err != nil {
			return nil, err
		}
		s.asked = review.Spec
		review.Status.Allowed = review.Spec.NonResourceAttributes.Path == "/metrics" && review.Spec.NonResourceAttributes.Verb == "get"
		review.TypeMeta = metav1.TypeMeta{APIVersion: "authorization.k8s.io/v1", Kind: "SubjectAccessReview"}
		return review, nil
	}
}

// newEndpoint makes the guarded endpoint, which answers "secret" behind the guard.
func newEndpoint(t *testing.T, s *reviewer, now clock.Clock) http.Handler {
	t.Helper()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	config := &rest.Config{Host: server.URL, ContentConfig: rest.ContentConfig{ContentType: "application/json"}}
	g, err := newGuard(config, server.Client(), now)
	if err != nil {
		t.Fatal(err)
	}
	endpoint, err := g.filter(logr.Discard(), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("secret"))
	}))
	if err != nil {
		t.Fatal(err)
	}
	return endpoint
}

func ask(t *testing.T, endpoint http.Handler, method, path, authorization string) *httptest.ResponseRecorder {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), method, path, nil)
	if authorization != "" {
		request.Header.Set("Authorization", authorization)
	}
	answer := httptest.NewRecorder()
	endpoint.ServeHTTP(answer, request)
	return answer
}

func TestGuard(t *testing.T) {
	both := []string{"tokenreviews", "subjectaccessreviews"}
	cases := map[string]struct {
		method, path, authorization, broken string
		want                                int
		reviewed                            []string
	}{
		"Nobody":        {want: http.StatusUnauthorized},
		"Password":      {authorization: "Basic Z29vZA==", want: http.StatusUnauthorized},
		"EmptyToken":    {authorization: "Bearer ", want: http.StatusUnauthorized},
		"TooLong":       {authorization: "Bearer " + strings.Repeat("x", maxToken+1), want: http.StatusUnauthorized},
		"OnlyTheScheme": {authorization: "Bearer", want: http.StatusUnauthorized},
		"Stranger":      {authorization: "Bearer bad", want: http.StatusUnauthorized, reviewed: both[:1]},
		"Allowed":       {authorization: "Bearer good", want: http.StatusOK, reviewed: both},
		"LowerCase":     {authorization: "bearer good", want: http.StatusOK, reviewed: both},
		"OtherPath":     {path: "/other", authorization: "Bearer good", want: http.StatusForbidden, reviewed: both},
		"OtherVerb":     {method: http.MethodPost, authorization: "Bearer good", want: http.StatusForbidden, reviewed: both},
		"WhoIsUnknown": {
			authorization: "Bearer good", broken: "tokenreviews", want: http.StatusInternalServerError, reviewed: both[:1],
		},
		"RightsAreUnknown": {
			authorization: "Bearer good", broken: "subjectaccessreviews", want: http.StatusInternalServerError, reviewed: both,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if tc.method == "" {
				tc.method = http.MethodGet
			}
			if tc.path == "" {
				tc.path = "/metrics"
			}
			s := &reviewer{broken: tc.broken}
			answer := ask(t, newEndpoint(t, s, clock.RealClock{}), tc.method, tc.path, tc.authorization)
			if answer.Code != tc.want || strings.Contains(answer.Body.String(), "secret") != (tc.want == http.StatusOK) {
				t.Errorf("answer %d %q, want %d", answer.Code, answer.Body, tc.want)
			}
			if diff := cmp.Diff(tc.reviewed, s.reviewed); diff != "" {
				t.Errorf("reviews: -want, +got:\n%s", diff)
			}
		})
	}
}

// TestGuardNamesTheReader: who is asked about is who has the token, with all groups.
func TestGuardNamesTheReader(t *testing.T) {
	s := &reviewer{}
	ask(t, newEndpoint(t, s, clock.RealClock{}), http.MethodGet, "/metrics", "Bearer good")
	want := authorizationv1.SubjectAccessReviewSpec{
		User: "prometheus", UID: "7", Groups: []string{"scrapers"}, Extra: map[string]authorizationv1.ExtraValue{"pod": {"p"}},
		NonResourceAttributes: &authorizationv1.NonResourceAttributes{Path: "/metrics", Verb: "get"},
	}
	if diff := cmp.Diff(want, s.asked); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}

// TestGuardRemembersWhomItLetIn, by token and request, for a minute, and nobody else.
func TestGuardRemembersWhomItLetIn(t *testing.T) {
	s, now := &reviewer{}, clocktesting.NewFakeClock(time.Unix(0, 0))
	endpoint := newEndpoint(t, s, now)
	for _, step := range []struct {
		path, token string
		later       time.Duration
		asks        bool
	}{
		{path: "/metrics", token: "good", asks: true},
		{path: "/metrics", token: "good", asks: false},
		{path: "/metrics", token: "bad", asks: true},
		{path: "/metrics", token: "bad", asks: true},
		{path: "/other", token: "good", asks: true},
		{path: "/other", token: "good", asks: true},
		{path: "/metrics", token: "good", later: admissionLasts - time.Second, asks: false},
		{path: "/metrics", token: "good", later: 2 * time.Second, asks: true},
	} {
		now.Step(step.later)
		before := len(s.reviewed)
		ask(t, endpoint, http.MethodGet, step.path, "Bearer "+step.token)
		if asked := len(s.reviewed) > before; asked != step.asks {
			t.Errorf("%s with %q: asked the API server: %t, want %t", step.path, step.token, asked, step.asks)
		}
	}
}

// TestGuardAsksOnlySoOften: strangers cannot keep the API server busy through the operator.
func TestGuardAsksOnlySoOften(t *testing.T) {
	s, now := &reviewer{}, clocktesting.NewFakeClock(time.Unix(0, 0))
	endpoint := newEndpoint(t, s, now)
	ask(t, endpoint, http.MethodGet, "/metrics", "Bearer good")
	answers := map[int]int{}
	for range 1000 {
		answers[ask(t, endpoint, http.MethodGet, "/metrics", "Bearer bad").Code]++
	}
	if answers[http.StatusUnauthorized] == 0 || answers[http.StatusTooManyRequests] < 500 {
		t.Errorf("1000 requests with a bad token were answered by %v, want 429 for most", answers)
	}
	for _, later := range []time.Duration{0, 2 * admissionLasts} {
		now.Step(later)
		if code := ask(t, endpoint, http.MethodGet, "/metrics", "Bearer good").Code; code != http.StatusOK {
			t.Errorf("who was let in gets %d %s later", code, later)
		}
	}
}

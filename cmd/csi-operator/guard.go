// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/time/rate"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/cache"
	authentication "k8s.io/client-go/kubernetes/typed/authentication/v1"
	authorization "k8s.io/client-go/kubernetes/typed/authorization/v1"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

const (
	// admissionLasts is how long a reader is let in before the API server is asked
	// again.
	admissionLasts = time.Minute
	// trustLasts is how long it is asked about a reader who was let in before however
	// many strangers there are.
	trustLasts = time.Hour
	// reviewTimeout is how long the API server may take to answer for a reader.
	reviewTimeout = 10 * time.Second
	// reviewsPerSecond, and as many at once, is what strangers can make the operator ask
	// the API server.
	reviewsPerSecond = 10
	// maxToken is how long a token may be; those of service accounts have some 1,000 bytes.
	maxToken = 16 << 10
)

// guard lets those read metrics whom the API server knows by their token, and whom
// it allows to read that path.
type guard struct {
	users  authentication.TokenReviewInterface
	rights authorization.SubjectAccessReviewInterface
	// Who was let in, by the hash of token and request; nobody else is kept.
	admitted, trusted *cache.Expiring
	strangers         *rate.Limiter
}

// guarded makes the filter of the endpoint of metrics.
func guarded(config *rest.Config, client *http.Client) (metricsserver.Filter, error) {
	g, err := newGuard(config, client, clock.RealClock{})
	if err != nil {
		return nil, err
	}
	return g.filter, nil
}

func newGuard(config *rest.Config, client *http.Client, clock clock.Clock) (*guard, error) {
	users, err := authentication.NewForConfigAndClient(config, client)
	if err != nil {
		return nil, fmt.Errorf("making a client of token reviews: %w", err)
	}
	rights, err := authorization.NewForConfigAndClient(config, client)
	if err != nil {
		return nil, fmt.Errorf("making a client of access reviews: %w", err)
	}
	return &guard{
		users: users.TokenReviews(), rights: rights.SubjectAccessReviews(),
		admitted: cache.NewExpiringWithClock(clock), trusted: cache.NewExpiringWithClock(clock),
		strangers: rate.NewLimiter(reviewsPerSecond, reviewsPerSecond),
	}, nil
}

func (g *guard) filter(log logr.Logger, next http.Handler) (http.Handler, error) {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status, err := g.status(r)
		if err != nil {
			log.Error(err, "Cannot tell who may read metrics", "path", r.URL.Path)
			status = http.StatusInternalServerError
		}
		if status != http.StatusOK {
			http.Error(w, http.StatusText(status), status)
			return
		}
		next.ServeHTTP(w, r)
	}), nil
}

// status is 200 for a request that may go on.
func (g *guard) status(r *http.Request) (int, error) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" || len(token) > maxToken {
		return http.StatusUnauthorized, nil
	}
	key := sha256.Sum256([]byte(r.Method + " " + r.URL.Path + " " + token))
	if _, known := g.admitted.Get(key); known {
		return http.StatusOK, nil
	}
	if _, known := g.trusted.Get(key); !known && !g.strangers.Allow() {
		return http.StatusTooManyRequests, nil
	}
	ctx, cancel := context.WithTimeout(r.Context(), reviewTimeout)
	defer cancel()
	status, err := g.review(ctx, token, authorizationv1.NonResourceAttributes{Path: r.URL.Path, Verb: strings.ToLower(r.Method)})
	if err == nil && status == http.StatusOK {
		g.admitted.Set(key, true, admissionLasts)
		g.trusted.Set(key, true, trustLasts)
	}
	return status, err
}

// review asks the API server who has the token, and what they may do.
func (g *guard) review(ctx context.Context, token string, wanted authorizationv1.NonResourceAttributes) (int, error) {
	known, err := g.users.Create(ctx, &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: token}}, metav1.CreateOptions{})
	if err != nil {
		return 0, fmt.Errorf("reviewing a token: %w", err)
	}
	if !known.Status.Authenticated {
		return http.StatusUnauthorized, nil
	}
	user := known.Status.User
	extra := make(map[string]authorizationv1.ExtraValue, len(user.Extra))
	for key, value := range user.Extra {
		extra[key] = authorizationv1.ExtraValue(value)
	}
	allowed, err := g.rights.Create(ctx, &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User: user.Username, UID: user.UID, Groups: user.Groups, Extra: extra, NonResourceAttributes: &wanted,
	}}, metav1.CreateOptions{})
	if err != nil {
		return 0, fmt.Errorf("reviewing the rights of %q: %w", user.Username, err)
	}
	if !allowed.Status.Allowed {
		return http.StatusForbidden, nil
	}
	return http.StatusOK, nil
}

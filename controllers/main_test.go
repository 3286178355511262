// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/yaml"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/desired"
)

// account is the operator's ServiceAccount, as config/rbac binds it.
const (
	account          = "csi-operator"
	accountNamespace = "csi-operator-system"
	driverImage      = "pool.example.com/csi-pool-driver:v1.2.3"
)

var facts = desired.Facts{OperatorNamespace: accountNamespace, PoolDriverImage: driverImage, DriverVersion: "v1.2.3"}

// cluster is the one API server of this package's tests, with all rights.
var cluster struct {
	client.Client
	config   *rest.Config
	operator *operator
}

// parallel is how many tests run at once: they wait more than they work.
const parallel = "24"

func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", parallel); err != nil {
		panic(err)
	}
	code, err := runTests(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func runTests(m *testing.M) (code int, err error) {
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		return 1, errors.New("KUBEBUILDER_ASSETS names no directory with etcd and kube-apiserver: run `make test`, which builds them and sets it")
	}
	ctrl.SetLogger(zap.New(zap.WriteTo(operatorLog())))
	env := &envtest.Environment{
		CRDDirectoryPaths:        []string{"../config/crd/bases"},
		ErrorIfCRDPathMissing:    true,
		ControlPlane:             envtest.ControlPlane{Etcd: &envtest.Etcd{}},
		ControlPlaneStartTimeout: 2 * patience,
		ControlPlaneStopTimeout:  patience,
	}
	env.ControlPlane.Etcd.Configure().Set("unsafe-no-fsync", "true")
	defer func() { err = errors.Join(err, env.Stop()) }() // also after half a start
	cluster.config, err = env.Start()
	if err != nil {
		return 1, fmt.Errorf("starting the API server: %w", err)
	}
	if err := prepare(); err != nil {
		return 1, err
	}
	if cluster.operator, err = startOperator(); err != nil {
		return 1, err
	}
	code = m.Run()
	return code, cluster.operator.stop()
}

// prepare makes what an installation of the operator makes.
func prepare() error {
	scheme, err := Scheme()
	if err != nil {
		return err
	}
	if cluster.Client, err = client.New(cluster.config, client.Options{Scheme: scheme}); err != nil {
		return err
	}
	role, err := operatorRole()
	if err != nil {
		return err
	}
	for _, o := range []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: accountNamespace}},
		role,
		&rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: account},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Name: account, Namespace: accountNamespace}},
		},
	} {
		if err := cluster.Create(context.Background(), o); err != nil {
			return fmt.Errorf("preparing the cluster: %w", err)
		}
	}
	return nil
}

// operatorRole is the ClusterRole that is shipped.
func operatorRole() (*rbacv1.ClusterRole, error) {
	text, err := os.ReadFile(filepath.Join("..", "config", "rbac", "role.yaml"))
	if err != nil {
		return nil, err
	}
	role := &rbacv1.ClusterRole{}
	return role, yaml.UnmarshalStrict(text, role)
}

// operator is a running manager with no rights but those of the operator's
// account.
type operator struct {
	client     client.Client // reads come from its cache
	reconciler *Reconciler
	traffic    *traffic
	cancel     context.CancelFunc
	done       chan error
}

func startOperator(edits ...func(*manager.Options)) (*operator, error) {
	scheme, err := Scheme()
	if err != nil {
		return nil, err
	}
	cache, err := CacheOptions()
	if err != nil {
		return nil, err
	}
	o := &operator{traffic: &traffic{}, done: make(chan error, 1)}
	cfg := rest.CopyConfig(cluster.config)
	cfg.QPS = -1
	cfg.Impersonate = rest.ImpersonationConfig{
		UserName: "system:serviceaccount:" + accountNamespace + ":" + account,
		Groups:   []string{"system:serviceaccounts", "system:serviceaccounts:" + accountNamespace, "system:authenticated"},
	}
	cfg.Wrap(o.traffic.record)
	options := manager.Options{
		Scheme:     scheme,
		Cache:      cache,
		Metrics:    metricsserver.Options{BindAddress: "0"},
		Controller: config.Controller{SkipNameValidation: new(true)}, // a restart is in the same process
	}
	for _, edit := range edits {
		edit(&options)
	}
	mgr, err := ctrl.NewManager(cfg, options)
	if err != nil {
		return nil, err
	}
	o.reconciler = newReconciler(mgr, facts)
	if err := o.reconciler.addTo(mgr); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	o.client, o.cancel = mgr.GetClient(), cancel
	go func() { o.done <- mgr.Start(ctx) }()
	if !mgr.GetCache().WaitForCacheSync(ctx) {
		return nil, errors.New("the operator's cache did not fill")
	}
	return o, nil
}

func (o *operator) stop() error {
	o.cancel()
	return <-o.done
}

// traffic is every request that an operator sent, apart from watches; events are
// only counted.
type traffic struct {
	mu        sync.Mutex
	sent      []string
	byName    map[string][]int // places in sent
	events    int
	saboteurs map[string]*saboteur // by driver
}

// sabotage lets a saboteur at the calls about a driver from now on.
func (t *traffic) sabotage(driver string, s *saboteur) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.saboteurs == nil {
		t.saboteurs = map[string]*saboteur{}
	}
	t.saboteurs[driver] = s
}

// saboteurOf is who watches the calls about the object of a request.
func (t *traffic) saboteurOf(r *http.Request) *saboteur {
	t.mu.Lock()
	defer t.mu.Unlock()
	name := nameIn(r.URL.Path)
	for driver, s := range t.saboteurs {
		names := desired.NamesOf(driver)
		if name == driver || strings.HasPrefix(name, driver+"-") || name == names.Controller || name == names.Node || slices.Contains(desired.Leases(driver), name) ||
			strings.Contains(r.URL.RawQuery, url.QueryEscape(v1alpha1.LabelDeployment+"="+driver)+"&") {
			return s
		}
	}
	return nil
}

func (t *traffic) record(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		t.mu.Lock()
		switch {
		case r.URL.Query().Has("watch"):
		case strings.Contains(r.URL.Path, "/events.k8s.io/"):
			t.events++
		default:
			if t.byName == nil {
				t.byName = map[string][]int{}
			}
			name := nameIn(r.URL.Path)
			t.byName[name] = append(t.byName[name], len(t.sent))
			t.sent = append(t.sent, r.Method+" "+r.URL.Path)
		}
		t.mu.Unlock()
		if s := t.saboteurOf(r); s != nil && !r.URL.Query().Has("watch") && s.strike() {
			return s.answer(r, next)
		}
		return next.RoundTrip(r)
	})
}

// total counts all requests, with those for events.
func (t *traffic) total() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.sent) + t.events
}

func (t *traffic) all() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.sent)
}

func (t *traffic) last(n int) []string { return last(t.all(), n) }

// about are, in order, the requests for objects of the given names and for their
// status.
func (t *traffic) about(names ...string) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var places []int
	for _, name := range names {
		places = append(places, t.byName[name]...)
	}
	slices.Sort(places)
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

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// operatorLog shows the operator's log only where OPERATOR_LOG is set: errors belong to
// many of the tests.
func operatorLog() io.Writer {
	if os.Getenv("OPERATOR_LOG") != "" {
		return os.Stderr
	}
	return io.Discard
}

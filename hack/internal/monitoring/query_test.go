// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package monitoring

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"
)

// query parses an expression and returns the labels that its result may have. The error tells
// of every metric, and of every label, that there is not.
func (m metrics) query(text string) ([]string, error) {
	expression, err := parser.NewParser(parser.Options{}).ParseExpr(text)
	if err != nil {
		return nil, err
	}
	return m.of(expression)
}

// of is query for a part of an expression.
func (m metrics) of(node parser.Node) ([]string, error) {
	switch e := node.(type) {
	case *parser.VectorSelector:
		return m.ofSelector(e)
	case *parser.AggregateExpr:
		inner, err := m.of(e.Expr)
		if e.Without {
			return nil, errors.Join(err, errors.New(`"without" leaves labels that nobody knows: use "by"`))
		}
		return e.Grouping, errors.Join(err, lacking(inner, e.Grouping))
	case *parser.BinaryExpr:
		return m.ofBinary(e)
	default:
		return m.ofChildren(node)
	}
}

func (m metrics) ofSelector(e *parser.VectorSelector) ([]string, error) {
	has, there := m[e.Name]
	if !there {
		return nil, fmt.Errorf("there is no metric %s", e.Name)
	}
	var named []string
	for _, matcher := range e.LabelMatchers {
		if matcher.Name != "__name__" {
			named = append(named, matcher.Name)
		}
	}
	return has, lacking(has, named)
}

func (m metrics) ofBinary(e *parser.BinaryExpr) ([]string, error) {
	left, leftErr := m.of(e.LHS)
	right, rightErr := m.of(e.RHS)
	err := errors.Join(leftErr, rightErr)
	if e.VectorMatching == nil { // with a number
		return slices.Concat(left, right), err
	}
	if e.VectorMatching.On {
		err = errors.Join(err, lacking(left, e.VectorMatching.MatchingLabels), lacking(right, e.VectorMatching.MatchingLabels))
	}
	if e.Op == parser.LOR {
		left = slices.Concat(left, right)
	}
	return left, err
}

func (m metrics) ofChildren(node parser.Node) ([]string, error) {
	var (
		all  []string
		errs []error
	)
	for child := range parser.ChildrenIter(node) {
		labels, err := m.of(child)
		all, errs = append(all, labels...), append(errs, err)
	}
	return all, errors.Join(errs...)
}

// lacking is an error for each of the labels that is named but not there.
func lacking(has, named []string) error {
	var errs []error
	for _, label := range named {
		if !slices.Contains(has, label) {
			errs = append(errs, fmt.Errorf("there is no label %s, but %s", label, strings.Join(has, ", ")))
		}
	}
	return errors.Join(errs...)
}

// TestQuery sees that what is wrong with a query is told.
func TestQuery(t *testing.T) {
	m := metrics{"a": {"x", "y"}, "b": {"y", "z"}, "c_bucket": {"x", "le"}}
	cases := map[string]struct{ query, want string }{
		"Aggregated":     {query: `max by (x) (a{y="1"}) == 0`},
		"Matched":        {query: `a and on (y) b`},
		"MatchedToo":     {query: `a unless on (z) b`, want: "there is no label z, but x, y"},
		"Histogram":      {query: `histogram_quantile(0.9, sum by (x, le) (rate(c_bucket[5m])))`},
		"NoSuchMetric":   {query: `absent(d == 1)`, want: "there is no metric d"},
		"NoSuchLabel":    {query: `a{z="1"}`, want: "there is no label z"},
		"NoLongerThere":  {query: `sum by (y) (max by (x) (a))`, want: "there is no label y, but x"},
		"OnTheRight":     {query: `a or changes(b{x="1"}[5m]) > 0`, want: "there is no label x"},
		"Subquery":       {query: `max_over_time(a{z="1"}[1h:1m])`, want: "there is no label z"},
		"NotEvenParsed":  {query: `max by (x (a)`, want: "unexpected"},
		"WithoutIsVague": {query: `max without (x) (a)`, want: "without"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := m.query(tc.query)
			if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want %q", err, tc.want)
			}
		})
	}
}

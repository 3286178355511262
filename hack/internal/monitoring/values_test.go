// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package monitoring

import (
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"
)

var constant = regexp.MustCompile(`(?m)^\s*\w+(?: SidecarState)?\s*= "(\w+)"$`)

// checkValues reports conditions, reasons and states in a query that the API has not: such a
// query would find nothing, ever.
func checkValues(t *testing.T, text string) {
	t.Helper()
	expression, err := parser.NewParser(parser.Options{}).ParseExpr(text)
	if err != nil {
		t.Fatal(err)
	}
	api := map[string]bool{}
	for _, file := range []string{"conditions.go", "status_types.go"} {
		for _, match := range constant.FindAllStringSubmatch(read(t, "api", "v1alpha1", file), -1) {
			api[match[1]] = true
		}
	}
	parser.Inspect(expression, func(node parser.Node, _ []parser.Node) error {
		selector, is := node.(*parser.VectorSelector)
		if !is {
			return nil
		}
		for _, matcher := range selector.LabelMatchers {
			if matcher.Name != "condition" && matcher.Name != "reason" && matcher.Name != "state" {
				continue
			}
			for value := range strings.SplitSeq(matcher.Value, "|") {
				if !api[value] {
					t.Errorf("the API has no %s %s", matcher.Name, value)
				}
			}
		}
		return nil
	})
}

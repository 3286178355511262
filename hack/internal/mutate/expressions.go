// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package mutate

import (
	"go/ast"
	"go/token"
	"slices"
	"strconv"
)

// swaps are operators, and words that name values and functions of the language,
// with what may be mistaken for them.
var (
	swaps = map[token.Token]string{
		token.LSS: "<=", token.LEQ: "<", token.GTR: ">=", token.GEQ: ">", token.EQL: "!=", token.NEQ: "==",
		token.LAND: "||", token.LOR: "&&",
		token.ADD: "-", token.SUB: "+", token.MUL: "/", token.QUO: "*",
	}
	words = map[string]string{"true": "false", "false": "true", "min": "max", "max": "min"}
)

// expression adds the mutants of one expression, and tells whether to look below it.
func (f *finder) expression(e ast.Expr) bool {
	switch n := e.(type) {
	case *ast.BinaryExpr:
		f.binary(n)
	case *ast.UnaryExpr:
		if n.Op == token.NOT {
			f.put(n.OpPos, n.X.Pos(), "")
		}
	case *ast.Ident:
		if other, ok := words[n.Name]; ok {
			f.replace(n, other)
		}
	case *ast.BasicLit:
		f.literal(n)
	case *ast.CompositeLit:
		f.dropEach(n.Elts, n.Rbrace)
		// An empty text in a list is as good as none.
		f.walkEach(slices.DeleteFunc(slices.Clone(n.Elts), isText))
		return false
	case *ast.CallExpr:
		return f.call(n)
	case *ast.SelectorExpr:
		// The name behind the dot is nothing of ours.
		f.walk(n.X)
		return false
	case *ast.KeyValueExpr:
		if _, isField := n.Key.(*ast.Ident); isField {
			f.walk(n.Value)
			return false
		}
	}
	return true
}

func (f *finder) binary(n *ast.BinaryExpr) {
	if n.Op == token.ADD && hasText(n) {
		return // there is no other operator for strings
	}
	if other, ok := swaps[n.Op]; ok {
		f.put(n.OpPos, n.OpPos+token.Pos(len(n.Op.String())), other)
	}
	if n.Op == token.LAND || n.Op == token.LOR {
		f.remove(n.X, n.X.Pos(), n.Y.Pos())
		f.remove(n.Y, n.X.End(), n.Y.End())
	}
}

func isText(e ast.Expr) bool {
	literal, ok := e.(*ast.BasicLit)
	return ok && literal.Kind == token.STRING
}

func (f *finder) walkEach(list []ast.Expr) {
	for _, e := range list {
		f.walk(e)
	}
}

func hasText(root ast.Node) bool {
	found := false
	ast.Inspect(root, func(n ast.Node) bool {
		literal, ok := n.(*ast.BasicLit)
		found = found || ok && literal.Kind == token.STRING
		return !found
	})
	return found
}

func (f *finder) literal(n *ast.BasicLit) {
	if n.Kind == token.INT {
		if value, err := strconv.ParseInt(n.Value, 0, 64); err == nil {
			f.replace(n, strconv.FormatInt(value+1, 10))
		}
		return
	}
	if n.Kind != token.STRING {
		return
	}
	if text, err := strconv.Unquote(n.Value); err == nil && text == "" {
		f.replace(n, `"mutant"`)
	} else {
		f.replace(n, `""`)
	}
}

// call leaves arguments out that are calls themselves: lists of edits are made of
// them. How much room make reserves is nobody's business.
func (f *finder) call(n *ast.CallExpr) bool {
	if name, ok := n.Fun.(*ast.Ident); ok && name.Name == "make" {
		_, isMap := n.Args[0].(*ast.MapType)
		if !isMap && len(n.Args) == 2 {
			f.walk(n.Args[1])
		}
		return false
	}
	var calls []ast.Expr
	for _, arg := range n.Args {
		if _, ok := arg.(*ast.CallExpr); ok {
			calls = append(calls, arg)
		}
	}
	for _, arg := range calls {
		f.dropOne(arg, n.Args, n.Rparen)
	}
	return true
}

// dropEach leaves each item out of a list that ends before an end mark.
func (f *finder) dropEach(list []ast.Expr, end token.Pos) {
	for _, item := range list {
		f.dropOne(item, list, end)
	}
}

func (f *finder) dropOne(item ast.Expr, list []ast.Expr, end token.Pos) {
	for i, other := range list {
		if other != item {
			continue
		}
		if i+1 < len(list) {
			end = list[i+1].Pos()
		}
		f.remove(item, item.Pos(), end)
	}
}

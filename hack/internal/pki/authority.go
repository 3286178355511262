// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package pki makes the keys, certificates and kubeconfigs of the cluster.
package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"time"
)

// validity is how long certificates are valid, from a little before now on. A
// local cluster does not live that long.
const validity = 365 * 24 * time.Hour

// Authority issues certificates.
type Authority struct {
	certificate *x509.Certificate
	encoded     []byte
	key         crypto.Signer
}

// Pair is a certificate and its key, both in PEM.
type Pair struct{ Certificate, Key []byte }

// Subject is whom a certificate is for.
type Subject struct {
	// User and Groups are how the API server knows a client.
	User   string
	Groups []string
	// Hosts are the names and addresses of a server; none for a client.
	Hosts []string
}

// NewAuthority makes an authority called name.
func NewAuthority(name string) (*Authority, error) {
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	template := newTemplate(pkix.Name{CommonName: name})
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	encoded, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("making certificate authority %q: %w", name, err)
	}
	certificate, err := x509.ParseCertificate(encoded)
	if err != nil {
		return nil, fmt.Errorf("making certificate authority %q: %w", name, err)
	}
	return &Authority{certificate: certificate, encoded: encoded, key: key}, nil
}

// Certificate returns the authority's own certificate in PEM.
func (a *Authority) Certificate() []byte { return encode("CERTIFICATE", a.encoded) }

// Issue makes a key and a certificate for it, which serves for a client and,
// if s has hosts, for a server.
func (a *Authority) Issue(s Subject) (Pair, error) {
	key, err := newKey()
	if err != nil {
		return Pair{}, err
	}
	template := newTemplate(pkix.Name{CommonName: s.User, Organization: s.Groups})
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	for _, host := range s.Hosts {
		if address := net.ParseIP(host); address != nil {
			template.IPAddresses = append(template.IPAddresses, address)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	if len(s.Hosts) > 0 {
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	}
	encoded, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	if err != nil {
		return Pair{}, fmt.Errorf("issuing a certificate for %q: %w", s.User, err)
	}
	keyPEM, err := encodeKey(key)
	return Pair{Certificate: encode("CERTIFICATE", encoded), Key: keyPEM}, err
}

// SigningKey makes a key pair, both halves in PEM: that of service account tokens.
func SigningKey() (private, public []byte, err error) {
	key, err := newKey()
	if err != nil {
		return nil, nil, err
	}
	encoded, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, nil, fmt.Errorf("encoding a public key: %w", err)
	}
	private, err = encodeKey(key)
	return private, encode("PUBLIC KEY", encoded), err
}

func newKey() (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	return key, nil
}

func newTemplate(name pkix.Name) *x509.Certificate {
	begin := time.Now().Add(-time.Hour) // clocks may differ a little
	return &x509.Certificate{
		Subject:      name,
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		NotBefore:    begin,
		NotAfter:     begin.Add(validity),
	}
}

func encodeKey(key *ecdsa.PrivateKey) ([]byte, error) {
	encoded, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encoding a key: %w", err)
	}
	return encode("EC PRIVATE KEY", encoded), nil
}

func encode(kind string, content []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content})
}

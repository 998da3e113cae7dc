package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"path/filepath"
	"strings"
	"time"

	"github.com/batchscore/batchscore/scorer/store/azblob/azuritetest"
)

// startStore starts the emulator of blob storage on its host. Every host of names trusts
// its certificate, because batchscore sends no credentials to another host without TLS.
func (s *slurmHosts) startStore(emulator string, names []string) {
	s.Helper()
	store := s.hosts.Host(slurmStore)
	certificate, key := selfSigned(s, store.Address())
	for _, name := range names {
		host := s.hosts.Host(name)
		host.Write(s.Context(), "/root/store.pem", certificate, 0o644)
		host.Run(s.Context(), "mkdir -p /etc/ssl/certs && cat /root/store.pem >>/etc/ssl/certs/ca-certificates.crt")
	}
	store.Write(s.Context(), "/root/key.pem", key, 0o600)
	secret := strings.Repeat("bm9z", 20) + "bm9zZQ=="
	store.Run(s.Context(), `export AZURITE_ACCOUNTS=`+azuritetest.Account+":"+secret+`
	setsid `+emulator+` --blobHost 0.0.0.0 --blobPort 10000 --cert /root/store.pem --key /root/key.pem \
		--inMemoryPersistence --skipApiVersionCheck --disableTelemetry --silent >/var/log/azurite.log 2>&1 </dev/null &
	until grep -q successfully /var/log/azurite.log; do sleep 0.1; done`)
	credentials := filepath.Join(s.shared, "credentials")
	writeFile(s, credentials, []byte("AZURE_STORAGE_ACCOUNT="+azuritetest.Account+"\nAZURE_STORAGE_KEY="+secret+"\n"))
	s.endpoint = "https://" + store.Address() + ":10000"
	s.env = []string{"--endpoint", s.endpoint, "--credentials", credentials}
}

// selfSigned returns a certificate for an address and its key.
func selfSigned(s *slurmHosts, address string) (certificate, key []byte) {
	s.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		s.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: address}, IPAddresses: []net.IP{net.ParseIP(address)},
		NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		s.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		s.Fatal(err)
	}
	block := func(kind string, bytes []byte) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: bytes})
	}
	return block("CERTIFICATE", der), block("PRIVATE KEY", secret)
}

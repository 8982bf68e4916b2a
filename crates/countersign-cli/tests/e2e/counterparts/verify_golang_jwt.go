// Verifies and signs tokens with golang-jwt, as a service in Go would.
//
// Reads one JSON line for each question and answers with one line.
// {"token", "keys" or "secret", "issuer", "audience", "now"} is answered with {"claims", "header"} or {"refused"}: `keys`
// is a key set, `secret` an HMAC key in hexadecimal. golang-jwt has no key sets: reading one is this program's work.
// {"sign", "claims"} is answered with {"token", "key"}: signed as that algorithm with a new key, or with `secret`.
package main

import (
	"bufio"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"os"
	"time"

	"github.com/golang-jwt/jwt"
)

type question struct {
	Token    string
	Keys     *struct{ Keys []map[string]interface{} }
	Secret   string
	Issuer   string
	Audience string
	Now      int64
	Sign     string
	Claims   jwt.MapClaims
}

var curves = map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()}
var curveOf = map[string]string{"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}
var asymmetric = []string{"ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "EdDSA"}

func number(key map[string]interface{}, name string) []byte {
	text, _ := key[name].(string)
	bytes, _ := base64.RawURLEncoding.DecodeString(text)
	return bytes
}

func publicKey(key map[string]interface{}) (crypto.PublicKey, error) {
	integer := func(name string) *big.Int { return new(big.Int).SetBytes(number(key, name)) }
	switch key["kty"] {
	case "RSA":
		return &rsa.PublicKey{N: integer("n"), E: int(integer("e").Int64())}, nil
	case "EC":
		name, _ := key["crv"].(string)
		return &ecdsa.PublicKey{Curve: curves[name], X: integer("x"), Y: integer("y")}, nil
	case "OKP":
		return ed25519.PublicKey(number(key, "x")), nil
	}
	return nil, errors.New("key_type")
}

func (q *question) find(token *jwt.Token) (interface{}, error) {
	if q.Secret != "" {
		return hex.DecodeString(q.Secret)
	}
	for _, key := range q.Keys.Keys {
		name, named := token.Header["kid"]
		if key["kid"] != name && (named || len(q.Keys.Keys) != 1) {
			continue
		}
		// the key fixes the algorithm
		if key["alg"] != nil && key["alg"] != token.Header["alg"] {
			return nil, errors.New("algorithm")
		}
		return publicKey(key)
	}
	return nil, errors.New("key_unknown")
}

func verify(q *question) (interface{}, error) {
	jwt.TimeFunc = func() time.Time { return time.Unix(q.Now, 0) }
	methods := asymmetric
	if q.Secret != "" {
		methods = []string{"HS256", "HS384", "HS512"}
	}
	claims := jwt.MapClaims{}
	token, err := jwt.NewParser(jwt.WithValidMethods(methods)).ParseWithClaims(q.Token, claims, q.find)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"exp", "iat", "sub", "jti", "client_id"} {
		if claims[name] == nil {
			return nil, errors.New(name)
		}
	}
	if !claims.VerifyIssuer(q.Issuer, true) || !claims.VerifyAudience(q.Audience, true) {
		return nil, errors.New("issuer_or_audience")
	}
	return map[string]interface{}{"claims": claims, "header": token.Header}, nil
}

func sign(q *question) (interface{}, error) {
	token := jwt.NewWithClaims(jwt.GetSigningMethod(q.Sign), q.Claims)
	token.Header["typ"] = "at+jwt"
	if q.Secret != "" {
		secret, err := hex.DecodeString(q.Secret)
		if err != nil {
			return nil, err
		}
		text, err := token.SignedString(secret)
		return map[string]interface{}{"token": text}, err
	}
	token.Header["kid"] = "theirs"
	encode := base64.RawURLEncoding.EncodeToString
	public := map[string]interface{}{"alg": q.Sign, "kid": "theirs"}
	var private crypto.PrivateKey
	if name, ok := curveOf[q.Sign]; ok {
		key, err := ecdsa.GenerateKey(curves[name], rand.Reader)
		if err != nil {
			return nil, err
		}
		size := (key.Curve.Params().BitSize + 7) / 8
		public["kty"], public["crv"] = "EC", name
		public["x"] = encode(key.X.FillBytes(make([]byte, size)))
		public["y"] = encode(key.Y.FillBytes(make([]byte, size)))
		private = key
	} else if q.Sign == "EdDSA" {
		point, key, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return nil, err
		}
		public["kty"], public["crv"], public["x"] = "OKP", "Ed25519", encode(point)
		private = key
	} else {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			return nil, err
		}
		public["kty"], public["n"], public["e"] = "RSA", encode(key.N.Bytes()), encode(big.NewInt(int64(key.E)).Bytes())
		private = key
	}
	text, err := token.SignedString(private)
	return map[string]interface{}{"token": text, "key": public}, err
}

// A panic is an answer too: a service would end its request with 500.
func answer(line []byte) (result interface{}) {
	defer func() {
		if fault := recover(); fault != nil {
			result = map[string]string{"refused": fmt.Sprint("panic: ", fault)}
		}
	}()
	var q question
	err := json.Unmarshal(line, &q)
	if err == nil {
		if q.Sign != "" {
			result, err = sign(&q)
		} else {
			result, err = verify(&q)
		}
	}
	if err != nil {
		return map[string]string{"refused": err.Error()}
	}
	return result
}

func main() {
	// golang-jwt knows Ed25519 by its older name alone (RFC 9864 §2.2), so it is told the newer one
	jwt.RegisterSigningMethod("Ed25519", func() jwt.SigningMethod { return jwt.SigningMethodEdDSA })
	out := json.NewEncoder(os.Stdout)
	_ = out.Encode(map[string]string{"listening": "stdin"})
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<22)
	for lines.Scan() {
		if err := out.Encode(answer(lines.Bytes())); err != nil {
			os.Exit(1)
		}
	}
}

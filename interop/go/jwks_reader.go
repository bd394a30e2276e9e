// Judges tokens as a Go service with go-jose does, and prints what it found.
//
// usage: jwks_reader < CASES
//
// CASES is a JSON list of {"jwks": URL, "token", "algorithm", "issuer", "audience"}.
// It prints a list of {"claims": ..} or {"error": ..}.
package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"time"

	"gopkg.in/square/go-jose.v2"
	"gopkg.in/square/go-jose.v2/jwt"
)

type testCase struct {
	JWKS      string `json:"jwks"`
	Token     string `json:"token"`
	Algorithm string `json:"algorithm"`
	Issuer    string `json:"issuer"`
	Audience  string `json:"audience"`
}

type verdict struct {
	Claims map[string]interface{} `json:"claims,omitempty"`
	Error  string                 `json:"error,omitempty"`
}

func main() {
	var cases []testCase
	if err := json.NewDecoder(os.Stdin).Decode(&cases); err != nil {
		panic(err)
	}
	verdicts := []verdict{}
	for _, one := range cases {
		claims, err := judge(one)
		if err != nil {
			verdicts = append(verdicts, verdict{Error: err.Error()})
		} else {
			verdicts = append(verdicts, verdict{Claims: claims})
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(verdicts); err != nil {
		panic(err)
	}
}

func judge(one testCase) (map[string]interface{}, error) {
	keys, err := keySet(one.JWKS)
	if err != nil {
		return nil, err
	}
	token, err := jwt.ParseSigned(one.Token)
	if err != nil {
		return nil, err
	}
	if algorithm := token.Headers[0].Algorithm; algorithm != one.Algorithm {
		return nil, fmt.Errorf("the token's algorithm is %s", algorithm)
	}
	var known jwt.Claims
	var all map[string]interface{}
	if err := token.Claims(keys, &known, &all); err != nil {
		return nil, err
	}
	return all, known.ValidateWithLeeway(jwt.Expected{
		Issuer:   one.Issuer,
		Audience: jwt.Audience{one.Audience},
		Time:     time.Now(),
	}, 0)
}

// One key that go-jose cannot read spoils the set.
func keySet(url string) (*jose.JSONWebKeySet, error) {
	answer, err := http.Get(url)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", url, answer.Status)
	}
	keys := new(jose.JSONWebKeySet)
	return keys, json.NewDecoder(answer.Body).Decode(keys)
}

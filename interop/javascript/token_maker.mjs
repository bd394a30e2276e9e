// Makes tokens as a Node service with jose does.
//
// usage: token_maker.mjs < TOKENS
//
// TOKENS is a JSON list of {"claims", "key", "algorithm"}, where `key` is a secret, or a
// private key as PKCS#8 PEM. It prints a list of tokens. COUNTERSIGN_TEST_NODE_MODULES is
// where jose is.

import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { webcrypto } from "node:crypto";

// Node 18 does not have it where jose looks.
globalThis.crypto ??= webcrypto;
const jose = pathToFileURL(`${process.env.COUNTERSIGN_TEST_NODE_MODULES}/jose/dist/webapi/index.js`);
const { SignJWT, importPKCS8 } = await import(jose);

async function make({ claims, key, algorithm }) {
  const isSecret = algorithm.startsWith("HS");
  const material = isSecret ? new TextEncoder().encode(key) : await importPKCS8(key, algorithm);
  return new SignJWT(claims).setProtectedHeader({ alg: algorithm }).sign(material);
}

const tokens = [];
for (const one of JSON.parse(readFileSync(0, "utf8"))) tokens.push(await make(one));
console.log(JSON.stringify(tokens));

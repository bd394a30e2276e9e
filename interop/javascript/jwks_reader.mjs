// Judges tokens as a Node service with jose does, and prints what it found.
//
// usage: jwks_reader.mjs < CASES
//
// CASES is a JSON list of {"jwks": URL, "token", "algorithm", "issuer", "audience"}.
// It prints a list of {"claims": ..} or {"error": ..}. COUNTERSIGN_TEST_NODE_MODULES
// is where jose is.

import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { webcrypto } from "node:crypto";

// Node 18 does not have it where jose looks.
globalThis.crypto ??= webcrypto;
const jose = pathToFileURL(`${process.env.COUNTERSIGN_TEST_NODE_MODULES}/jose/dist/webapi/index.js`);
const { createRemoteJWKSet, jwtVerify } = await import(jose);

async function judge({ jwks, token, algorithm, issuer, audience }) {
  try {
    const keys = createRemoteJWKSet(new URL(jwks));
    const options = { algorithms: [algorithm], issuer, audience };
    return { claims: (await jwtVerify(token, keys, options)).payload };
  } catch (error) {
    return { error: `${error.name}: ${error.message}` };
  }
}

const verdicts = [];
for (const one of JSON.parse(readFileSync(0, "utf8"))) verdicts.push(await judge(one));
console.log(JSON.stringify(verdicts));

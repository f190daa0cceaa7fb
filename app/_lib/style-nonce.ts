/** @file Lets the dialog library add its one style tag under the content security policy. */
"use client";

import { setNonce } from "get-nonce";

/** The page's own scripts carry the nonce; browsers reveal it only as a property. */
export function adoptStyleNonce(): void {
  const nonce = document.querySelector<HTMLScriptElement>("script[nonce]")?.nonce;
  if (nonce) setNonce(nonce);
}

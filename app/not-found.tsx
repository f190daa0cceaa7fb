/** @file Shown where there is nothing at an address, or nothing for this person. */
import type { Metadata } from "next";
import Link from "next/link";
import { buttonClass } from "./_components/button-class";
import { PlainPage } from "./_components/plain-page";

export const metadata: Metadata = { title: "Nothing here" };

export default function NotFound() {
  return (
    <PlainPage title="There is nothing here">
      <p>
        The address may be mistyped, the conversation deleted, or it belongs to somebody else. Your own
        conversations are in the list.
      </p>
      <Link href="/" className={buttonClass("primary")}>
        Go to my conversations
      </Link>
    </PlainPage>
  );
}

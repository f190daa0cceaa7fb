/** @file Shown for a one-time link that does not work any more. */
import Link from "next/link";
import { buttonClass } from "@/app/_components/button-class";
import { PlainPage } from "@/app/_components/plain-page";

export function SpentLinkPage() {
  return (
    <PlainPage title="This link does not work">
      <p>
        It was used already, has expired, or was not copied whole. Ask an admin for a new one. The first
        admin’s link stands in the terminal; each start of the server makes a fresh one until it is used.
      </p>
      <Link href="/sign-in" className={buttonClass("primary")}>
        Sign in
      </Link>
    </PlainPage>
  );
}

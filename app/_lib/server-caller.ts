/** @file How server components ask the server: the same procedures, called in the process, as the person of the request. */
import "server-only";
import { headers } from "next/headers";
import { notFound, redirect } from "next/navigation";
import { cache } from "react";
import { isAllowed, permissions } from "@/server/permissions";
import { createContext } from "@/server/request-context";
import { createCaller } from "@/server/routers/root";
import type { Permission, Viewer } from "./viewer";

/** One context per request, however many components ask. */
const requestContext = cache(async () => createContext(await headers()));

export const serverCaller = cache(async () => createCaller(await requestContext()));

/** The signed-in person, or null. */
export const readViewer = cache(async (): Promise<Viewer | null> => {
  const { user } = await requestContext();
  if (!user) return null;
  const { id, name, email, consent } = await (await serverCaller()).account.profile();
  return {
    id,
    name,
    email,
    consent: consent.granted,
    consentAnsweredAt: consent.answeredAt,
    permissions: (Object.keys(permissions) as Permission[]).filter((permission) =>
      isAllowed(user, permission),
    ),
  };
});

/** Sends whoever is not signed in to the sign-in page, and back here from there. */
export async function requireViewer(): Promise<Viewer> {
  const viewer = await readViewer();
  if (viewer) return viewer;
  const path = (await headers()).get("x-path") ?? "/";
  redirect(path === "/" ? "/sign-in" : `/sign-in?next=${encodeURIComponent(path)}`);
}

/** The caller, for a page that needs a permission. Who lacks it is told there is nothing here. */
export async function requirePermission(permission: Permission) {
  const viewer = await requireViewer();
  if (!viewer.permissions.includes(permission)) notFound();
  return serverCaller();
}

/** @file Who is looking, for client components. */
"use client";

import { createContext, type ReactNode, useContext } from "react";
import type { Permission, Viewer } from "./viewer";

const ViewerContext = createContext<Viewer | null>(null);

export function ViewerProvider({ viewer, children }: { viewer: Viewer; children: ReactNode }) {
  return <ViewerContext value={viewer}>{children}</ViewerContext>;
}

export function useViewer(): Viewer {
  const viewer = useContext(ViewerContext);
  if (!viewer) throw new Error("useViewer needs a ViewerProvider above it");
  return viewer;
}

/** For what is offered to those who may do it; the server asks again. */
export function useMay(permission: Permission): boolean {
  return useViewer().permissions.includes(permission);
}

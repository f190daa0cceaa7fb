/** @file On small screens the list of conversations waits behind a button in the page's header. */
"use client";

import { createContext, useContext } from "react";
import { IconButton } from "@/app/_components/button";

export const ListDrawerContext = createContext<() => void>(() => {});

export function OpenListButton() {
  const open = useContext(ListDrawerContext);
  return (
    <IconButton icon="menu" label="Open the list of conversations" onClick={open} className="md:hidden" />
  );
}

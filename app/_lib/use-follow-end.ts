/** @file Scrolls with a growing text only while the reader is at its end. */
"use client";

import { type RefObject, useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";

/** Within this many pixels of the end counts as reading along. */
const nearEnd = 48;

/**
 * @param contentKey anything that changes when the content may have grown
 * @returns whether newer text is out of sight, and a way to jump there
 */
export function useFollowEnd(container: RefObject<HTMLElement | null>, contentKey: unknown) {
  const isFollowing = useRef(true);
  const [isAway, setIsAway] = useState(false);

  useEffect(() => {
    const element = container.current;
    if (!element) return;
    const onScroll = () => {
      const distance = element.scrollHeight - element.scrollTop - element.clientHeight;
      isFollowing.current = distance < nearEnd;
      setIsAway(!isFollowing.current);
    };
    element.addEventListener("scroll", onScroll, { passive: true });
    return () => element.removeEventListener("scroll", onScroll);
  }, [container]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: contentKey is the trigger
  useLayoutEffect(() => {
    const element = container.current;
    if (element && isFollowing.current) element.scrollTop = element.scrollHeight;
  }, [container, contentKey]);

  const jumpToEnd = useCallback(() => {
    const element = container.current;
    if (!element) return;
    isFollowing.current = true;
    element.scrollTop = element.scrollHeight;
  }, [container]);

  return { isAway, jumpToEnd };
}

/** @file Scrolls with a growing text only while the reader is at its end. */
"use client";

import { type RefObject, useCallback, useEffect, useRef, useState } from "react";

/** Within this many pixels of the end counts as reading along. */
const nearEnd = 48;

type FollowEndOptions = {
  /** What scrolls. */
  container: RefObject<HTMLElement | null>;
  /** What grows inside it. */
  content: RefObject<HTMLElement | null>;
  startAtEnd: boolean;
};

/** @returns whether newer text is out of sight, and a way to jump there */
export function useFollowEnd({ container, content, startAtEnd }: FollowEndOptions) {
  const isFollowing = useRef(startAtEnd);
  const [isAway, setIsAway] = useState(false);

  useEffect(() => {
    const [outer, inner] = [container.current, content.current];
    if (!outer || !inner) return;
    const noteWhere = () => {
      const distance = outer.scrollHeight - outer.scrollTop - outer.clientHeight;
      isFollowing.current = distance < nearEnd;
      setIsAway(!isFollowing.current);
    };
    const follow = () => {
      if (isFollowing.current) outer.scrollTop = outer.scrollHeight;
      else noteWhere();
    };
    // The field below grows with its text and takes room from the thread: both count.
    const observer = new ResizeObserver(follow);
    observer.observe(inner);
    observer.observe(outer);
    outer.addEventListener("scroll", noteWhere, { passive: true });
    return () => {
      observer.disconnect();
      outer.removeEventListener("scroll", noteWhere);
    };
  }, [container, content]);

  const jumpToEnd = useCallback(() => {
    isFollowing.current = true;
    setIsAway(false);
    if (container.current) container.current.scrollTop = container.current.scrollHeight;
  }, [container]);

  return { isAway, jumpToEnd };
}

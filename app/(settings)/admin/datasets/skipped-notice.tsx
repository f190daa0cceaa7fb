/** @file Which lines of an upload were left out, by file and line. */
import { Notice } from "@/app/_components/notice";
import { plural } from "@/app/_lib/format";
import type { SkippedLine } from "./_upload/upload-files";

type SkippedNoticeProps = { skippedLines: number; skipped: readonly SkippedLine[] };

export function SkippedNotice({ skippedLines, skipped }: SkippedNoticeProps) {
  if (skippedLines === 0) return null;
  return (
    <Notice tone="warning">
      <p>{plural(skippedLines, "line was", "lines were")} left out:</p>
      <ul className="mt-1 max-h-40 list-disc overflow-y-auto pl-5">
        {skipped.map(({ fileName, line, reason }) => (
          <li key={`${fileName} ${line}`}>
            {fileName}, line {line.toLocaleString("en")} {reason}
          </li>
        ))}
      </ul>
      {skipped.length < skippedLines && (
        <p>and {(skippedLines - skipped.length).toLocaleString("en")} more.</p>
      )}
    </Notice>
  );
}

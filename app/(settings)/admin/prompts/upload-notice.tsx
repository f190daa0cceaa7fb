/** @file What became of the lines of an uploaded file. */
import { Notice } from "@/app/_components/notice";
import type { UploadState } from "@/app/_lib/api-types";
import { plural } from "@/app/_lib/format";
import { ruleNames } from "@/app/_lib/prompt-names";

export function UploadNotice({
  fileName,
  state: { counts, faults },
}: {
  fileName: string;
  state: UploadState;
}) {
  const aside = (["duplicate", "ownerLimit", "tooLong"] as const).filter((rule) => counts[rule] > 0);
  return (
    <Notice tone={counts.unfit > 0 ? "warning" : "info"}>
      <p>
        {fileName}: {plural(counts.ready, "prompt is", "prompts are")} ready
        {aside.map((rule) => `, ${counts[rule].toLocaleString("en")} put aside (${ruleNames[rule]})`)}
        {counts.masked > 0 && `; personal data was masked in ${counts.masked.toLocaleString("en")}`}.
      </p>
      {counts.unfit > 0 && (
        <>
          <p className="mt-1">{plural(counts.unfit, "line was", "lines were")} left out:</p>
          <ul className="mt-1 max-h-40 list-disc overflow-y-auto pl-5">
            {faults.map(({ line, reason }) => (
              <li key={line}>
                line {line.toLocaleString("en")} {reason}
              </li>
            ))}
          </ul>
          {faults.length < counts.unfit && (
            <p>and {(counts.unfit - faults.length).toLocaleString("en")} more.</p>
          )}
        </>
      )}
    </Notice>
  );
}

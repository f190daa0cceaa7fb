/** @file The evidence behind the gates: who prefers the candidate, what it still can, how the served form differs. */
import { Ratings } from "../evaluations/ratings";
import { WinRates } from "../evaluations/win-rates";
import { LastEvaluation } from "../runs/_suites/evaluation-section";

type EvidenceSectionsProps = {
  candidateId: string;
  opponentId: string;
  /** Who asked for the promotion and who approved it: their judgments do not count. */
  without: string[];
  mayManage: boolean;
};

export function EvidenceSections({ candidateId, opponentId, without, mayManage }: EvidenceSectionsProps) {
  return (
    <>
      {candidateId !== opponentId && (
        <>
          <WinRates
            candidateId={candidateId}
            opponentId={opponentId}
            without={without}
            mayManage={mayManage}
          />
          <Ratings candidateId={candidateId} opponentId={opponentId} />
        </>
      )}
      <LastEvaluation checkpointId={candidateId} />
    </>
  );
}

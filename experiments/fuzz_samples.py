"""Content of small files in the true formats, which `fuzz` mutates."""

from __future__ import annotations

import json

MELD = b"""Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,StartTime,EndTime
1,"Oh, ""that"" one",Ann,joy,positive,0,0,1,1,"00:00:01,000","00:00:02,000"
2,Stop it.,Bob,anger,negative,0,1,1,1,"00:00:02,000","00:00:03,000"
3,Alone here.,Cem,neutral,neutral,1,0,1,1,"00:00:02,000","00:00:03,000"
"""
EMORYNLP = b"""Utterance,Speaker,Emotion,Scene_ID,Utterance_ID,Season,Episode,Start_Time,End_Time
"Yeah, right!",['Ann Lee'],Joyful,1,1,1,2,00:00:02.877,00:00:07.548
Hi!,"['Ann Lee', ""Bob O'Neil""]",Mad,1,2,1,2,00:00:02.877,00:00:07.548
Alone.,['Cem'],Neutral,2,1,1,2,00:00:02.877,00:00:07.548
"""
EMOCONTEXT = (
    b'id\tturn1\tturn2\tturn3\tlabel\r\n0\tWhen "did\twho\tnever\tangry\r\n1\thi\thello\tyes\thappy\r\n'
)
XIA_DING = """1 3
 (2,1), (3,1)
1,null,null,他 丢 了 钱包
2,sadness&anger,难过&气,他 难过 又 气
3,fear,怕,还 有点 怕, 真 的
2 1
 (1,1)
1,happiness,高兴,中奖 让 他 高兴
""".encode()
ECF = b"1 2\n(2,1),(2,2)\n1 | Ann | neutral | We won . | S1E1: 0\n2 | Bob | joy | Great ! | S1E1: 1\n"
COMMENTS = b"So what\t27\tid1\nThanks, love it\t18,15\tid2\n  lol \t1\tid3\n"
ISEAR = (
    b"ID|EMOT|INTS|Field1|MYKEY|SIT|STATE|\n11001|1|4|joy|k1|When we met.|1|\n11001|3|0|anger|k2|A row.|1|\n"
)
RECCON = {
    "tr_1": [
        [
            {
                "turn": 1,
                "speaker": "A",
                "utterance": "I won !",
                "emotion": "happy",
                "expanded emotion cause evidence": [1, "b"],
            },
            {
                "turn": 2,
                "speaker": "B",
                "utterance": "Really ?",
                "emotion": "surprise",
                "expanded emotion cause evidence": [1, 2],
            },
        ]
    ],
    "tr_2": [[{"turn": 1, "speaker": "A", "utterance": "Yes .", "emotion": "neutral"}]],
}
RECCON_IEMOCAP = json.loads(json.dumps(RECCON).replace("surprise", "excited"))
IEMOCAP = [
    [{"text": "Excuse me.", "speaker": "F", "label": "exc"}, {"text": "Do you", "speaker": "M"}],
    [{"text": "No.", "speaker": "M", "label": "fru"}],
]
SCENES = {
    "season_id": "trn",
    "episodes": [
        {
            "episode_id": "s01_e02",
            "scenes": [
                {
                    "scene_id": f"s01_e02_c0{scene}",
                    "utterances": [
                        {
                            "utterance_id": f"s01_e02_c0{scene}_u001",
                            "speakers": ["Ann Lee", "Bob"][:scene],
                            "transcript": "Hi!",
                            "tokens": [["Hi", "!"]],
                            "emotion": "Joyful",
                        },
                        {"utterance_id": f"s01_e02_c0{scene}_u002", "speakers": [], "transcript": "Hm."},
                    ],
                }
                for scene in (1, 2)
            ],
        }
    ],
}
ECAC = [
    {
        "conversation_ID": number,
        "conversation": [
            {"utterance_ID": 1, "text": "I won", "speaker": "Ann", "emotion": "joy"},
            {"utterance_ID": 2, "text": "Oh", "speaker": "Bob", "emotion": "neutral"},
        ],
        "emotion-cause_pairs": [["1_joy", "1_I won"], ["1_joy", "2"]],
    }
    for number in (1, 2)
]
PAIRS = [
    {
        "id": id,
        "segments": [{"text": "he lost it", "speaker": "Ann"}, {"text": "so sad", "emotions": ["joy"]}],
        "pairs": [[2, 1]],
    }
    for id in ("a", 2)
]
HISTORY = [
    {
        "stage": "fit",
        "epoch": epoch,
        "step": 10 * epoch,
        "validation": {"pair_f1": 0.5, "pair_recall": None},
        "watched_test": {"pair_f1": 0.4} if epoch else None,
    }
    for epoch in range(3)
]
TABLE = b'body,feeling,talk,who\nI won,joy,1,Ann\n"I, too",joy,1,Bob\nNo,anger,2,Ann\n'
ROWS = b'{"body": "I won", "feeling": "joy"}\n{"body": "No", "feeling": ["anger"]}\n'
PLAIN = "tasks: [emotions]\nlabels: [joy, anger]\nlanguage: en\nformat: {text: body, label: feeling}\n"
DESCRIPTION = (PLAIN + "files: {train: a.csv, test: b.csv}\nlicence: free\n").encode()
JOINT = "tasks: [ecpe, erc]\nlabels: [joy, anger]\nlanguage: en\n"
PAIRS_ONLY = "tasks: [ecpe]\nlanguage: zh\n"
TALKS = PLAIN.replace("emotions", "erc").replace("feeling}", "feeling, conversation: talk, speaker: who}")
SPLITS = "files: {train: a%s, test: b%s}\n"
ANSWER = (
    b'Sure: {"characters": [{"name": "Ann", "description": "a baker",}, {"name": "Bo", "description": "x"}]}'
)
NARRATIVES = b'{"id": "a", "text": "Ann won."}\n{"id": "b", "text": "Bob lost."}\n'
INTENSITIES = b'{"id": "a", "segment": 0, "intensities": {"joy": 10.0}}\n'
TEXTS = b'{"id": "a", "text": "I won"}\n{"segments": [{"text": "Hi", "speaker": "Ann"}, "No"]}\n\n'
FAILURE = {
    "cell": "mgcl/x-fold1",
    "reason": "killed",
    "exit_status": -9,
    "started": 0.0,
    "ended": 1.0,
    "host": "h",
    "command": ["fit"],
    "config_hash": "a",
    "commit": None,
    "last_lines": ["x"],
}

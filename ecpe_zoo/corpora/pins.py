"""The published files that the zoo knows: where each lies, its size and its hashes.

Every row was taken from the file itself at the commit that `registry` names. A file with only a git blob id
was never at hand: a download is checked against that id.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PinnedFile:
    """One file of a published repository.

    Args:
        name: how it is called in the corpus's folder.
        path: where it lies in the repository.
        bytes: its size, where known.
        sha256: of its content, where known.
        git_blob: its git object id, which hashes the content too.
        optional: nothing needs it unless the user asks for it.
    """

    name: str
    path: str
    bytes: int | None
    sha256: str | None
    git_blob: str
    optional: bool = False


XIA_DING_2019: tuple[PinnedFile, ...] = (
    PinnedFile(
        "all_data_pair.txt",
        "data_combine/all_data_pair.txt",
        1434057,
        "eb3138a67a59beb0076e839736d7b70df77b9f0ff3a4183cfb3d8ed83582a756",
        "59019ec5563908120f9304ce2a52055cc9868c7e",
    ),
    PinnedFile(
        "fold1_train.txt",
        "data_combine/fold1_train.txt",
        1325521,
        "ca112c53c2572f7ccf27f3341f6be465da22592a44074b1138b1b0f5c0149964",
        "df711dda16dab17b4143c5481d38bcd845d47de5",
    ),
    PinnedFile(
        "fold1_test.txt",
        "data_combine/fold1_test.txt",
        108536,
        "b97fe54786d2ebd853db516bbb868dea170dbd4bf058908e9a9dcd508e978a04",
        "8560501b8252417859b7e8e5be8a25c7f2c5b404",
    ),
    PinnedFile(
        "fold2_train.txt",
        "data_combine/fold2_train.txt",
        1314623,
        "4b82df84232eaba95bee63d0d8da70935ee1e4ab804a80d8a4188a73050576d3",
        "c997f3110685de11b42fa7a578c74851bd86d9f5",
    ),
    PinnedFile(
        "fold2_test.txt",
        "data_combine/fold2_test.txt",
        119434,
        "77d362113cf06222eb7856f4f835b072a8f7179bb0bec1e7b693007444e0f6b5",
        "9f3117f01c5175adf36f01ef5eb5d93966b1b511",
    ),
    PinnedFile(
        "fold3_train.txt",
        "data_combine/fold3_train.txt",
        1322402,
        "5483d7512f39439644a9d44d301958d5feb371da23d1cd5d2d448dc9bec8d1ec",
        "35ad6eb5dbe58bb536d9521c19e2fbe93c306f8a",
    ),
    PinnedFile(
        "fold3_test.txt",
        "data_combine/fold3_test.txt",
        111655,
        "8b14495c2bc5becfcd853f71921995069df9566205da43e564f3e3e14ab0d972",
        "ef988c0f0986a237b34efb967cf4617c378b55db",
    ),
    PinnedFile(
        "fold4_train.txt",
        "data_combine/fold4_train.txt",
        1296828,
        "4cb5368549f9a4fce74f645c29e2eb9694b954b8aae86417228a804d7a6c8e68",
        "19f82bc3aa6274966fd342e4e6cd60ff7decad6b",
    ),
    PinnedFile(
        "fold4_test.txt",
        "data_combine/fold4_test.txt",
        137229,
        "638af71a260f1590dd3be9b91adc2b40481b3cce76c701500f406522ef4e3caf",
        "74ff1791c3c1c1034c5a7b402c12c975ec44e49c",
    ),
    PinnedFile(
        "fold5_train.txt",
        "data_combine/fold5_train.txt",
        1271682,
        "b1b8335898ec3088d27becb43b211662a295d5273b769abc4231cb70df135d32",
        "5669762a367edf809196c7e73eafac817840134e",
    ),
    PinnedFile(
        "fold5_test.txt",
        "data_combine/fold5_test.txt",
        162375,
        "59f0c175e165fd64e4a80005808ea2bb45e1fdc7ec5aacfe1f339e5460740252",
        "b6967e6137477792b79d2b46a4fbeddb12b255aa",
    ),
    PinnedFile(
        "fold6_train.txt",
        "data_combine/fold6_train.txt",
        1288990,
        "7f8d5aa1ed710646298dd05777fbe2cc4961b5dd10dcc81804545a3664b7e11f",
        "305b2fd9006e263f3cc2e55889ce5e778bfa4373",
    ),
    PinnedFile(
        "fold6_test.txt",
        "data_combine/fold6_test.txt",
        145674,
        "859a4c910f543b19411261c17787141fb5995e79578fde9e0a66829f779d079b",
        "8e8277c84a1642c439cfb2c8d8cc0b4cf75d57f8",
    ),
    PinnedFile(
        "fold7_train.txt",
        "data_combine/fold7_train.txt",
        1295206,
        "6b974d0779fff89a77931505513eb9367dd195e777216db3942970a7ae811948",
        "74aec7e50616e80ed22016e21a033d0dc69cae1a",
    ),
    PinnedFile(
        "fold7_test.txt",
        "data_combine/fold7_test.txt",
        138851,
        "938612bae3e9861b73041134f2b96657638d601b18de9f37d85d45fe165792d6",
        "3bf5c7c53e52a0f5e8b672f1ba97245da23f3e79",
    ),
    PinnedFile(
        "fold8_train.txt",
        "data_combine/fold8_train.txt",
        1251268,
        "983904f81897ddf980bc33fddceed04411b25c3765104524190371593b23ccad",
        "355e010fec401b1bcd66bac2f6c1e0b65eefb8f3",
    ),
    PinnedFile(
        "fold8_test.txt",
        "data_combine/fold8_test.txt",
        182789,
        "9d2b9131f094c76fec7e7a9820967175bdd48242031e34d5b6862c8a26944336",
        "ebe6f6dbd8c67c921dfd0ee63426164623c7e027",
    ),
    PinnedFile(
        "fold9_train.txt",
        "data_combine/fold9_train.txt",
        1264653,
        "09fbd79413c3833995485c302165892dd0b5a9eb5b21eed9014c7d42a55f453c",
        "a426a9eaa1712a004c0086f740637aff8d57f24b",
    ),
    PinnedFile(
        "fold9_test.txt",
        "data_combine/fold9_test.txt",
        170011,
        "9dc3b756b748b06934ae7a6826a172cf1eb7ac78018765899c4010b2709e22e7",
        "7646ed435433b35f104eae92eca56335d56a9a97",
    ),
    PinnedFile(
        "fold10_train.txt",
        "data_combine/fold10_train.txt",
        1275947,
        "34063ede0b3ca09a92a2039e8c718cce4b2218e9333f38e2cf6d76c13b8dec26",
        "e02554b78fdeb079e98745113613a9370c49cf71",
    ),
    PinnedFile(
        "fold10_test.txt",
        "data_combine/fold10_test.txt",
        158110,
        "60ce361aa5826e3cd60c43c3a21606ec7b8183e20e1a43f8ffb9f832d7c9d145",
        "ab3aff4ba0125a8160855c6fb1a01ae7a0f44045",
    ),
    PinnedFile(
        "w2v_200.txt",
        "data_combine/w2v_200.txt",
        None,
        None,
        "5aed10e47c06cf9620a3392047b4de0d86fdf098",
        optional=True,
    ),
)

RECCON: tuple[PinnedFile, ...] = (
    PinnedFile(
        "dailydialog_train.json",
        "data/original_annotation/dailydialog_train.json",
        3569807,
        "b05bdc8363a57ecb6f8e7ab5f9e0eba227f0fe24cb9eb70d9e78f96e4a45457a",
        "3e47caf47392b9cb9451beba03600a2767ef4ffa",
    ),
    PinnedFile(
        "dailydialog_valid.json",
        "data/original_annotation/dailydialog_valid.json",
        191861,
        "e2fdbec102c2463ee86ccc2088d50fdcfe2eba5c6129bf6071476908bf453b1e",
        "766f338d3970652696ddbb2ae05399fc27aace05",
    ),
    PinnedFile(
        "dailydialog_test.json",
        "data/original_annotation/dailydialog_test.json",
        972369,
        "0356f0bd2eb8097ff983ff23d9cab5dced525406f3e633d4b24f925f4507c800",
        "005ddbd2ebf267d5bb5ec250c0f4183471b6619f",
    ),
)

ECF: tuple[PinnedFile, ...] = (
    PinnedFile(
        "train.txt",
        "data/train.txt",
        1178761,
        "67b69faf38d67fb1a794aa44b564b371bdfcc338e7bead845668dbacab0cc1e1",
        "b881466672eb56c2d63738e90b0ace69cf81afbe",
    ),
    PinnedFile(
        "dev.txt",
        "data/dev.txt",
        129108,
        "59a4e7a8b765438cc2006e594b901abf9c26dc76c758a9ba7aa9ab14e0130c7e",
        "a50a1bf82731ca5b6319acc42cbeaf144811e77c",
    ),
    PinnedFile(
        "test.txt",
        "data/test.txt",
        307117,
        "4ae44852e3136f8b973ea818c4fc0ef162d855421124c611e56dd2c9280b2677",
        "4cec4d6163eee4a24369ca5eeac31b4bc0f587fe",
    ),
)

MELD: tuple[PinnedFile, ...] = (
    PinnedFile(
        "train_sent_emo.csv",
        "data/MELD/train_sent_emo.csv",
        1119290,
        "d2fa2d6529cf03cac2989efec05c9b27d8fd2f4c8fc5974c7ae88aa537fa02db",
        "b91dbd634693608a8e77a00d9256ae9cbb51bc43",
    ),
    PinnedFile(
        "dev_sent_emo.csv",
        "data/MELD/dev_sent_emo.csv",
        121640,
        "2e89c6f8aa182d6f62f8c6331aece905ac7273ca4999660bfb5213e1d0370c1c",
        "91dd39cd4a10a53eda3c8aaf1955d3eae795ae52",
    ),
    PinnedFile(
        "test_sent_emo.csv",
        "data/MELD/test_sent_emo.csv",
        294526,
        "8d37103938f7067600839fe29d5a114a6cd1bcdafb75bec101e06464c5006888",
        "357d4a5f7ec119215622d07ed55fa3cad5d8d4c3",
    ),
)

EMORYNLP: tuple[PinnedFile, ...] = (
    PinnedFile(
        "emorynlp_train_final.csv",
        "data/emorynlp/emorynlp_train_final.csv",
        771777,
        "462c66c333783adb801836d12d1424f48489bef4fb8ddfec7fbb2f08ce8211d5",
        "6d22e4e910b90009766e7a2025ea3a3706b2788a",
    ),
    PinnedFile(
        "emorynlp_dev_final.csv",
        "data/emorynlp/emorynlp_dev_final.csv",
        93130,
        "20edc9d5917fe705b17b849f7f288e495d4132a60353a6247c3800445bdf8734",
        "a8a86fc16e0d78ec68f253ffc9bec24515beeb33",
    ),
    PinnedFile(
        "emorynlp_test_final.csv",
        "data/emorynlp/emorynlp_test_final.csv",
        100280,
        "dbc4b5638acd12c92a5f48def829e04f1c765cddffb4eedbe34216312e0d2d78",
        "af6d8ca83ff4166b6c1c3c77b8e95c6b6a32abcf",
    ),
)

EMOCONTEXT: tuple[PinnedFile, ...] = (
    PinnedFile(
        "train.txt",
        "DialogueRNN/semeval19_emocon/train.txt",
        2393082,
        "d5f81ece09dd164dd672082bbadf8730137301f810223d1966f8b0efca312cd2",
        "c2d40ed7a8edb7916e587dd6f393d29049c4b25d",
    ),
    PinnedFile(
        "valid.txt",
        "DialogueRNN/semeval19_emocon/valid.txt",
        211429,
        "f2de65bdaa53ac29e23e541ba77712cdb772ca2eab58238c8048b20c8d93aa09",
        "4b786b88d82a75a0d3b1adb4aafa206ca7fb3cfb",
    ),
    PinnedFile(
        "test.txt",
        "DialogueRNN/semeval19_emocon/test.txt",
        424211,
        "54985a3b4e10d6ec5fcd8c3840d2103611a8a179d18f4b182038cc4c49748adb",
        "256e4ee2f097775f6b31a90f0de988849eb2ad9e",
    ),
)

GOEMOTIONS: tuple[PinnedFile, ...] = (
    PinnedFile(
        "train.tsv",
        "data/original/train.tsv",
        3519053,
        "1c254a142be5c00e80d819b9ae1bbd36d94b2eeb8f4b1271846508d57e57d9c5",
        "aa00d732d3b9e969d9fcbaafc2c5b094555746c0",
    ),
    PinnedFile(
        "dev.tsv",
        "data/original/dev.tsv",
        439059,
        "575489c079c9de1097062a01738f998590d6b7ead66dd1c9fd1d2ba01fd8bc62",
        "38c793645ca3a2e946d625c9722ca5386b0a6c7f",
    ),
    PinnedFile(
        "test.tsv",
        "data/original/test.tsv",
        436706,
        "0587b2dd8b27b97352adbfc3fb083d46005c8946657fdc2b1ca8b1cc7f1f8be4",
        "7635db4a49befb91e5bc0dbedde095bb2d8593ae",
    ),
    PinnedFile(
        "labels.txt",
        "data/original/labels.txt",
        248,
        "45c3ef86782d2a4d7fedcd6d8c111aa0d0e94720689bd164fac94fefb4495a89",
        "0d79bc030e766bc9dac1f4482bfbd864556c284a",
    ),
)

ISEAR: tuple[PinnedFile, ...] = (
    PinnedFile(
        "isear.csv",
        "isear.csv",
        1670985,
        "370110fff70a1e1d9e23b10cf6db1f64876120fa02276afe5916fbfeb038cdca",
        "7df9ab98ae5c340cd83261bc765d06ef8c4c9019",
    ),
)

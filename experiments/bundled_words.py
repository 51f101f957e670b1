"""The invented words and clause templates of the bundled corpus; see make_bundled_ecpe.py.

In a template, `{name}` is replaced by one of the words listed under that name, again and again until none is
left. `{s}` is the person an episode is about, `{o}` somebody else, `{w}` an emotion word, `{v}` an event that
happened to somebody (`lost the wallet`) and `{u}` the same after a negation (in Chinese without 了).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Options = tuple[str, ...]


@dataclass(frozen=True)
class Words:
    """What the documents of a language are made of.

    Args:
        people: People whom episodes are about.
        others: Bystanders.
        emotions: Emotion words by category.
        events: Causes of each emotion, in a form that follows a person.
        slots: Words by slot name.
        cause: Clauses of an event that happened, placed before the emotion.
        reason: The same, placed after it.
        emotion: Clauses of a felt emotion.
        both: Clauses of an event and the emotion.
        unfelt: Clauses with an emotion word and no emotion.
        unreal: Clauses with an event that did not happen.
        filler: Clauses with neither.
    """

    people: Options
    others: Options
    emotions: Mapping[str, Options]
    events: Mapping[str, Options]
    slots: Mapping[str, Options]
    cause: Options
    reason: Options
    emotion: Options
    both: Options
    unfelt: Options
    unreal: Options
    filler: Options


def _listed(text: str) -> Options:
    return tuple(part.strip() for part in text.split("|"))


CHINESE = Words(
    people=_listed(
        "老 王|小 李|张 女士|陈 先生|刘 奶奶|赵 大爷|孙 同学|周 师傅|吴 医生|郑 老师|冯 阿姨|钱 经理|何 叔叔|"
        "年轻 的 护士|出租车 司机|退休 工人|快递 小哥|餐馆 老板"
    ),
    others=_listed("邻居|同事|室友|妻子|哥哥|表妹|路人|店员|房东|队友|班长|保安"),
    emotions={
        "happiness": _listed("高兴|开心|激动|兴奋|欣慰"),
        "sadness": _listed("难过|伤心|悲痛|失落|痛苦"),
        "anger": _listed("愤怒|生气|气愤|恼火|不满"),
        "fear": _listed("害怕|恐惧|担心|惊慌|紧张"),
    },
    events={
        "happiness": _listed(
            "收到 了 {gift}|赢得 了 {prize}|找回 了 {thing}|考上 了 {school}|抽中 了 {gift}|买到 了 {ticket}"
        ),
        "sadness": _listed(
            "丢失 了 {thing}|错过 了 {occasion}|输掉 了 {contest}|摔坏 了 {thing}|告别 了 {friend}|"
            "落选 了 {prize}"
        ),
        "anger": _listed(
            "被 {rude} 冤枉 偷 了 {thing}|被 {rude} 骂 了 一顿|被 {rude} 骗走 了 {thing}|"
            "被 {rude} 插队 抢走 了 {ticket}|"
            "被 {rude} 扣押 了 {thing}|被 {rude} 无故 罚款"
        ),
        "fear": _listed(
            "遇到 了 {danger}|听见 {place} 传来 {noise}|被 困 在 {trap}|撞见 了 {danger}|"
            "闻到 {place} 的 焦味|险些 掉进 {trap}"
        ),
    },
    slots={
        "gift": _listed("一份 礼物|一封 家书|一笔 奖金|一束 鲜花|一台 电脑"),
        "prize": _listed("演讲 冠军|摄影 大奖|劳动 奖章|优秀 员工"),
        "thing": _listed("钱包|手机|项链|日记|自行车|存折|吉他|手表"),
        "school": _listed("师范 大学|研究生|音乐 学院|公务员"),
        "ticket": _listed("音乐会 门票|返乡 车票|球赛 门票|博物馆 门票"),
        "occasion": _listed("末班车|好友 的 婚礼|毕业 典礼|面试|儿子 的 演出"),
        "contest": _listed("决赛|官司|辩论赛|象棋 比赛"),
        "friend": _listed("多年 的 老友|远行 的 女儿|养 了 十年 的 小狗|启蒙 恩师"),
        "rude": _listed("陌生 男子|商场 经理|中介|黑心 商贩|主管"),
        "danger": _listed("毒蛇|野猪|持刀 歹徒|恶犬|劫匪"),
        "noise": _listed("枪声|惨叫|爆炸 声|怪声"),
        "trap": _listed("电梯|山洞|枯井|地窖|冰窟"),
        "place": _listed("楼上|隔壁|仓库|巷口|车库|阳台"),
        "site": _listed("菜市场|公园|图书馆|车站|小区|银行|学校|河边|工厂|邮局"),
        "time": _listed("昨天|前天|周末|当晚|清晨|上午|傍晚|{month} 月 {day} 日|{month} 月 初"),
        "month": _listed("一|二|三|四|五|六|七|八|九|十"),
        "day": _listed("2|3|5|8|11|14|16|19|21|24|27|30"),
        "age": _listed("19|23|28|31|36|42|47|53|58|61|66|70"),
        "work": _listed(
            "买菜|散步|排队|值班|看报|取 快递|接 孩子|搬 货物|修理 水管|打扫 卫生|办理 手续|参加 培训"
        ),
        "paper": _listed("晚报|日报|电视台|广播 电台|网站"),
        "staff": _listed("民警|社区 人员|管理员|志愿者|工作 人员"),
        "very": _listed("十分|非常|特别|格外"),
        "hero": _listed("国王|侠客|少年|船长|公主|猎人"),
    },
    cause=_listed(
        "{s} {v}|{time} {s} {v}|{time} {s} 在 {site} {v}|{s} {work} 时 {v}|不料 {s} {v}|{s} 刚刚 {v}"
    ),
    reason=_listed(
        "原来 {s} {v}|因为 {time} {v}|原来 {time} {v}|因为 {s} 在 {site} {v}|原来 是 {work} 时 {v}"
    ),
    emotion=_listed(
        "{s} 感到 {very} {w}|{s} {w} 极 了|{s} 心里 {very} {w}|{s} 一下子 {w} 起来|{s} {w} 地 告诉 {o}|"
        "{time} {s} 感到 {very} {w}|"
        "{s} {w} 地 走 出 {site}"
    ),
    both=_listed(
        "{v} 让 {s} {very} {w}|{time} {v} 让 {s} {very} {w}|{s} 因 {v} 而 {very} {w}|"
        "在 {site} {v} 让 {s} {w} 极 了"
    ),
    unfelt=_listed(
        "{o} 却 并 不 {w}|{time} {o} 也 没有 显得 {w}|要是 换成 {o} 也许 会 {very} {w}|"
        "电影 {time} 讲 的 是 {w} 的 {hero}|"
        "{site} 的 广告 说 不必 {w}|{staff} 劝 {o} 不要 {w}|谁 都 以为 {o} 会 {w}|{site} 里 没有 人 {w}"
    ),
    unreal=_listed(
        "其实 {o} 没有 {u}|要是 {o} {v} 怎么办|电影 里 的 {hero} {v}|{o} 梦见 {hero} {v}|"
        "传说 从前 有 {hero} {v}|"
        "{time} 没有 人 {u}"
    ),
    filler=_listed(
        "{s} 今年 {age} 岁|{s} 家 住 {site} 附近|{time} {s} 去 {site} {work}|{o} 正在 {site} {work}|"
        "据 {paper} {time} 报道|"
        "{staff} 来到 {site} 登记 情况|{time} {site} 的 天气 晴朗|{time} {site} 的 人 很 多|"
        "{paper} 记者 采访 了 {o}|"
        "{o} 陪 {s} {work}|{staff} {time} 在 {site} {work}|{s} 在 {site} 工作 了 {age} 个 月"
    ),
)

ENGLISH = Words(
    people=_listed(
        "Martin|Alice|Mrs Bell|Mr Stone|Grandma Rose|Old Tom|Doctor Price|Captain Hale|Nina|Oscar|Ruth|"
        "Victor|Aunt May|"
        "the young nurse|the taxi driver|the retired teacher|the new clerk|the baker"
    ),
    others=_listed(
        "a neighbour|a colleague|the roommate|the landlord|an older cousin|a passer-by|the cook|"
        "the team captain|"
        "the guard|a classmate|the porter|the manager"
    ),
    emotions={
        "happiness": _listed("happy|delighted|thrilled|cheerful|overjoyed"),
        "sadness": _listed("sad|heartbroken|miserable|gloomy|tearful"),
        "anger": _listed("angry|furious|outraged|annoyed|bitter"),
        "fear": _listed("afraid|scared|terrified|frightened|worried"),
    },
    events={
        "happiness": _listed(
            "won {prize}|received {gift}|recovered the {thing}|got into {school}|was given {ticket}|"
            "inherited {gift}"
        ),
        "sadness": _listed(
            "lost the {thing}|missed {occasion}|was beaten in {contest}|broke the {thing}|"
            "said goodbye to {friend}|"
            "buried {friend}"
        ),
        "anger": _listed(
            "was insulted by {rude}|was cheated by {rude}|was blamed by {rude} for stealing the {thing}|"
            "was pushed aside by {rude}|was overcharged by {rude} for {ticket}|was fined by {rude}"
        ),
        "fear": _listed(
            "met {danger}|heard {noise} in {place}|got stuck in {trap}|ran into {danger}|"
            "nearly fell into {trap}|"
            "smelled smoke in {place}"
        ),
    },
    slots={
        "gift": _listed("a present|a long letter|a bonus|a bunch of flowers|a computer"),
        "prize": _listed("the speech contest|the photo award|a medal|the lottery"),
        "thing": _listed("wallet|phone|necklace|diary|bicycle|passport|guitar|watch"),
        "school": _listed("college|medical school|the academy|the choir"),
        "ticket": _listed("a concert ticket|a train ticket|a museum pass|a match ticket"),
        "occasion": _listed("the last bus|the wedding|the graduation|the interview|the school play"),
        "contest": _listed("the final|the court case|the debate|the chess match"),
        "friend": _listed("an old friend|the family dog|the first teacher|a sister"),
        "rude": _listed("a stranger|the shop owner|an agent|a street seller|the supervisor"),
        "danger": _listed("a snake|a wild boar|an armed robber|a vicious dog|a burglar"),
        "noise": _listed("gunshots|screams|an explosion|strange noises"),
        "trap": _listed("the lift|a cave|the dry well|the cellar|an icy hole"),
        "place": _listed("the attic|the next room|the warehouse|the alley|the garage|the yard"),
        "site": _listed(
            "the market|the park|the library|the station|the bank|the school|the river|the factory|"
            "the harbour|"
            "the post office"
        ),
        "time": _listed("yesterday|at the weekend|late at night|in {month}|on {weekday}|on {weekday} {part}"),
        "month": _listed("January|February|March|April|May|June|July|August|October|November"),
        "weekday": _listed("Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday"),
        "part": _listed("morning|afternoon|evening"),
        "age": _listed("19|23|28|31|36|42|47|53|58|61|66|70"),
        "work": _listed(
            "shopping|walking|queueing|reading|fishing|painting|delivering parcels|moving boxes|"
            "mending pipes|"
            "cleaning windows|filling in forms|waiting"
        ),
        "paper": _listed("evening paper|daily paper|radio|television|website"),
        "staff": _listed("an officer|a volunteer|a caretaker|an inspector|an assistant"),
        "very": _listed("very|really|terribly|truly"),
        "hero": _listed("king|knight|sailor|princess|hunter|giant"),
    },
    cause=_listed(
        "{s} {v}|{time} {s} {v}|{s} {v} near {site}|while {work} {s} {v}|then {s} {v}|{s} suddenly {v} {time}"
    ),
    reason=_listed(
        "because {s} {v}|because {s} {v} {time}|it turned out that {s} {v}|because {s} {v} near {site}|"
        "it turned out that {s} {v} {time}"
    ),
    emotion=_listed(
        "{s} felt {very} {w}|{s} was {very} {w}|{s} became {very} {w} {time}|{s} called {o} and sounded {w}|"
        "{time} {s} was {very} {w}|{s} left {site} feeling {w}|{s} looked {very} {w}"
    ),
    both=_listed(
        "{s} {v} and felt {very} {w}|{time} {s} {v} and became {w}|{s} {v} near {site} and was {very} {w}|"
        "{s} {v} and looked {very} {w}"
    ),
    unfelt=_listed(
        "{o} was not {w} at all|nobody at {site} looked {w}|perhaps {o} would be {very} {w}|"
        "the film {time} is about the {w} {hero}|a poster at {site} said never feel {w}|"
        "{staff} told {o} not to be {w}|"
        "everybody thought {o} would be {w}|{o} never seemed {w} {time}"
    ),
    unreal=_listed(
        "nobody {u} {time}|a film told how the {hero} {u}|{o} dreamed that the {hero} {u}|suppose {o} {u}|"
        "an old tale says the {hero} {u}|it was not true that {o} {u}"
    ),
    filler=_listed(
        "{s} is {age} years old|{s} lives near {site}|{time} {s} went {work} near {site}|"
        "{o} was {work} near {site}|"
        "the {paper} reported it {time}|{staff} came to {site} {time}|the weather at {site} was fine {time}|"
        "{site} was crowded {time}|a reporter of the {paper} spoke to {o}|{o} and {s} were {work} {time}|"
        "{staff} was {work} near {site} {time}|{s} has worked at {site} for {age} months"
    ),
)

"""What stands around a value in a message: questions and sentences of offices, in English and Chinese.

`KEPT_BACK` are never trained on: they show whether the model finds a value in a sentence that it has not seen.
"""

import random
from collections.abc import Mapping

from examples.normalizer.writing import MONTHS

ENGLISH = {
    "date": (
        "The contract was signed on {}.",
        "The invoice is due on {}.",
        "We will deliver by {}.",
        "What is {} in ISO format?",
        "Our next audit starts {}, please confirm.",
        "The warranty ends {}.",
        "She was born {}.",
        "Please book the room for {}.",
        "It was paid on {} by the customer.",
        "Report of {}",
    ),
    "amount": (
        "The invoice is for {}.",
        "It costs {} a year.",
        "How much is {}?",
        "They offered {} for the machine.",
        "The budget is {}, no more.",
        "We paid {} to the supplier.",
        "The total comes to {}.",
        "Please transfer {} today.",
        "Our revenue grew by {} last year.",
        "Price: {}",
    ),
    "measure": (
        "The parcel contains {} of it.",
        "We need {} of cable and powder.",
        "How much is {} in base units?",
        "It measures {} according to the drawing.",
        "The sensor shows {} now.",
        "Order another {} from the store.",
        "About {} is left in the tank.",
        "The sample was {}, as agreed.",
        "Capacity: {}",
        "The limit is {} for each piece.",
    ),
    "any": (
        "{}",
        "{}?",
        "Normalize {}",
        "Convert {}, please.",
        "normal form of {}",
        "Write {} in normal form.",
        "What is {}?",
        "{}.",
        "{} please",
        "Save {}",
        "Please save {}.",
        "Note {} for me.",
    ),
}
CHINESE = {
    "date": (
        "合同于{}签订。",
        "发票到期日是{}。",
        "我们将在{}前交货。",
        "{}的标准格式是什么？",
        "会议定在{}，请确认。",
        "保修期到{}为止。",
        "他的生日是{}。",
        "客户于{}付款。",
        "请预订{}的会议室",
        "{}的报告",
    ),
    "amount": (
        "合同金额为{}。",
        "一共{}。",
        "这台机器的价格是{}，含税。",
        "我们付给供应商{}。",
        "预算是{}，不能再多。",
        "请今天转账{}。",
        "去年收入增加了{}。",
        "报销{}可以吗？",
        "总价：{}",
        "{}是多少？",
    ),
    "measure": (
        "包裹里有{}。",
        "我们需要{}的材料。",
        "图纸上是{}。",
        "传感器现在显示{}。",
        "再订{}。",
        "罐里还剩{}左右。",
        "样品是{}，符合约定。",
        "每件限{}。",
        "容量：{}",
        "{}等于多少？",
    ),
    "any": (
        "{}",
        "{}？",
        "转换{}",
        "请把{}转成标准格式",
        "{}的标准写法",
        "规范化：{}",
        "{}是什么？",
        "{}。",
        "保存{}",
        "请记录{}。",
    ),
}
KEPT_BACK = {
    "en": {
        "date": ("Payment arrived on {} as promised.", "Move the meeting to {}."),
        "amount": ("The repair will cost {} in total.", "Refund {} to the customer."),
        "measure": ("The pump holds {} at most.", "Please cut {} for me."),
    },
    "zh": {
        "date": ("项目从{}开始。", "请改到{}开会。"),
        "amount": ("维修费用是{}。", "请退款{}给客户。"),
        "measure": ("水泵最多装{}。", "请给我{}。"),
    },
}
CARRIERS: Mapping[str, Mapping[str, tuple[str, ...]]] = {"en": ENGLISH, "zh": CHINESE}

GREETINGS = {
    "en": ("hello", "hi", "Hello!", "Hi there", "good morning", "hey", "hello, how are you?"),
    "zh": ("你好", "您好", "你好！", "早上好", "嗨", "在吗", "你好吗？"),
}
QUESTIONS = {
    "en": ("who are you?", "What can you do?", "help", "what is your name?", "What are you for?"),
    "zh": ("你是谁？", "你能做什么？", "帮助", "你叫什么名字？", "怎么用？"),
}
THANKS = {
    "en": ("thanks", "Thank you!", "thank you very much", "ok, thanks"),
    "zh": ("谢谢", "谢谢！", "多谢", "好的，谢谢"),
}

HELLO = {"en": "Hello! Send me a date, an amount or a measure.", "zh": "你好！请发给我日期、金额或度量。"}
ABOUT = {
    "en": "I bring dates, amounts and measures to normal form.",
    "zh": "我把日期、金额和度量转成标准格式。",
}
WELCOME = {"en": "You are welcome.", "zh": "不客气。"}
NOTHING = {"en": "I see no date, amount or measure here.", "zh": "这里没有日期、金额或度量。"}
SAVED = {"en": "Saved: {}", "zh": "已保存：{}"}
NOT_SAVED = {"en": "Not saved: {}", "zh": "未保存：{}"}

SYSTEMS = (
    "You are a helpful assistant.",
    "You bring dates, amounts and measures to normal form.",
    "Answer briefly.",
    "You are the assistant of our accounting department.",
    "你是一个有用的助手。",
    "请简短回答。",
    "你是财务部的助手。",
)
JSON_SYSTEMS = (
    "Answer in JSON.",
    "Reply with a JSON object.",
    "Return only JSON, nothing else.",
    "Output: json with kind and value.",
    "请用 JSON 回答。",
    "只输出JSON。",
    "以JSON格式返回结果。",
)
JSON_ASKED = {"en": ("{} as JSON", "{} in JSON please", "JSON: {}"), "zh": ("{}，用JSON", "用JSON格式：{}", "{} JSON")}

_VOCABULARY = """
the a of and to in is for on with not by this from or at as an be are it was which when who has have will can its we
you they our your please about after before than then there all any some new old next last first other same between
contract invoice customer order return report engine valve pressure sensor machine supplier warranty quality price
delivery account password meeting project archive drawing letter clause payment service request answer question team
office manager printer server network email window door table paper phone report plan budget market product factory
work call send check open close write read find keep make take give need want know think see help start stop change
good bad fast slow large small red blue green early late clear simple important possible ready open closed free full
weather music garden river city street house train coffee lunch holiday book film story game school doctor friend
"""
_VOCABULARY_ZH = """
的 是 在 和 有 我 我们 你 他们 这 那 不 了 就 都 也 要 会 可以 请 把 从 到 对 为 与 或 怎么 什么 为什么 谁 哪里
合同 发票 客户 订单 退货 报告 设备 阀门 压力 传感器 质量 价格 交付 账户 密码 会议 项目 档案 图纸 条款 付款
服务 问题 回答 团队 办公室 经理 打印机 网络 邮件 计划 预算 市场 产品 工厂 工作 打开 关闭 检查 发送 需要
知道 帮助 开始 停止 改变 重要 可能 今天 明天 昨天 天气 音乐 花园 城市 学校 朋友 咖啡 电影 故事 很 太 非常
新 旧 大 小 快 慢 好
"""
_WORDS = {"en": _VOCABULARY.split(), "zh": _VOCABULARY_ZH.split()}
_NO_UNITS = {
    "en": "miles inches feet hours minutes days weeks degrees percent apples people pages users ounces items",
    "zh": "个 小时 分钟 天 度 人 页 台 次 英里 英寸 个苹果 件 年 斤",
}
_NO_DAYS = {
    "en": ("today", "tomorrow", "next Friday", "last year", "in two weeks", "Monday", "at noon", "2024", "last March"),
    "zh": ("今天", "明天", "下周五", "去年", "两周后", "星期一", "下午三点", "2024年", "上个月"),
}
_HAN = "".join(map(chr, range(0x4E00, 0x9FA6)))
_LETTERS = "eeeaaaiiooutttnnnssrrrlldhcmpgbfvwykxzqj"


def words(dice: random.Random, language: str, count: int) -> str:
    """`count` words that mean nothing together; one in eight is no word at all, one in twenty a number without unit."""
    return ("" if language == "zh" else " ").join(_word(dice, language) for _ in range(count))


def _word(dice: random.Random, language: str) -> str:
    chance = dice.random()
    if chance < 0.05:
        return (
            f"{dice.choice(('No. ', 'room ', '#'))}{dice.randint(1, 999)}"
            if language == "en"
            else f"{dice.randint(1, 999)}号"
        )
    if chance < 0.15:
        strange = (_LETTERS, dice.randint(3, 9)) if language == "en" else (_HAN, dice.randint(1, 3))
        return "".join(dice.choices(strange[0], k=strange[1]))
    return dice.choice(_WORDS[language])


def near_miss(dice: random.Random, language: str) -> str:
    """What looks like a value and is none: a number without unit or of things that have no normal form here, a day
    without its year or without a calendar."""
    number = dice.choice(
        (str(dice.randint(1, 99)), str(dice.randint(100, 9999)), f"{dice.randint(1, 99)}.{dice.randint(1, 9)}")
    )
    missed = [dice.choice(_NO_DAYS[language])]
    if language == "zh":
        missed += [number + dice.choice(_NO_UNITS["zh"].split()), f"{dice.randint(1, 12)}月{dice.randint(1, 28)}日"]
    else:
        missed += [
            number,
            f"{number} {dice.choice(_NO_UNITS['en'].split())}",
            f"{dice.choice(MONTHS)} {dice.randint(1, 28)}",
        ]
    return dice.choice(missed)


def carrier(dice: random.Random, kind: str, language: str) -> str:
    """A text with one place, {}, for a value: alone, in a known sentence, or among words."""
    chance = dice.random()
    if chance < 0.25:
        return "{}"
    if chance < 0.8:
        return dice.choice(CARRIERS[language][kind] + CARRIERS[language]["any"])
    if language == "zh":
        return f"{words(dice, language, dice.randint(0, 4))}，{{}}，{words(dice, language, dice.randint(0, 4))}"
    return f"{words(dice, language, dice.randint(1, 5))} {{}} {words(dice, language, dice.randint(0, 4))}".strip()
